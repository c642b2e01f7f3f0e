#| odev 2.3 cli.logs.call_timeline
def of_call(lines, call_id):
    for line in filter(None, map(parse_line, lines)):
        if line.get("call_id") == call_id:
            yield line, moment(line.get("time"))


def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    start = None
    for line, at in of_call(lines, call_id):
        if at and start is None:
            start = at.timestamp()
        yield (round(at.timestamp() - start, 6) if at else 0.0), line
