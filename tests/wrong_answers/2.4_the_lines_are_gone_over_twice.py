#| odev 2.4 cli.logs.call_timeline
# hint: Üzerinden bir kez geç
def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    times = (
        moment(line.get("time"))
        for text in lines
        if (line := parse_line(text)) and line.get("call_id") == call_id
    )
    first = next((at for at in times if at), None)
    for text in lines:
        line = parse_line(text)
        if line is None or line.get("call_id") != call_id:
            continue
        at = moment(line.get("time"))
        yield (at - first).total_seconds() if at and first else 0.0, line
