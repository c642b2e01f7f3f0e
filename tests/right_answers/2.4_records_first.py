#| odev 2.4 cli.logs.call_timeline
def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    mine = [line for text in lines if (line := parse_line(text)) and line.get("call_id") == call_id]
    times = [moment(line.get("time")) for line in mine]
    first = next((time for time in times if time), None)
    return iter([((time - first).total_seconds() if time else 0.0, line) for time, line in zip(times, mine)])
