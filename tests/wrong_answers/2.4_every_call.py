#| odev 2.4 cli.logs.call_timeline
# hint: Yalnızca bu çağrının kayıtları
def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    first: datetime | None = None
    for text in lines:
        line = parse_line(text)
        if line is None:
            continue
        at = moment(line.get("time"))
        first = first or at
        yield (at - first).total_seconds() if at and first else 0.0, line
