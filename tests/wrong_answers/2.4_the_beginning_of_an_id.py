#| odev 2.4 cli.logs.call_timeline
# hint: kimliğin geçmesi yetmez
def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    first: datetime | None = None
    for text in lines:
        if call_id not in text:  # to look is quicker than to parse, and most lines are of other calls
            continue
        line = parse_line(text)
        if line is None or not str(line.get("call_id")).startswith(call_id):
            continue
        at = moment(line.get("time"))
        first = first or at
        yield (at - first).total_seconds() if at and first else 0.0, line
