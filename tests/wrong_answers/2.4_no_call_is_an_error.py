#| odev 2.4 cli.logs.call_timeline
# hint: Böyle bir çağrı yoksa
def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    records = [line for text in lines if (line := parse_line(text)) and line.get("call_id") == call_id]
    if not records:
        raise LookupError(call_id)
    first = next((at for line in records if (at := moment(line.get("time")))), None)
    for line in records:
        at = moment(line.get("time"))
        yield (at - first).total_seconds() if at else 0.0, line
