#| odev 2.4 cli.logs.call_timeline
# hint: ilk kaydından beri
def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    first: datetime | None = None
    for text in lines:
        line = parse_line(text)
        at = moment(line.get("time")) if line else None
        first = first or at
        if line is None or line.get("call_id") != call_id:
            continue
        yield (at - first).total_seconds() if at and first else 0.0, line
