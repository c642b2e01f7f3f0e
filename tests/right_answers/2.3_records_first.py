#| odev 2.3 cli.logs.call_timeline
def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    mine = [line for line in records_with(call_id, lines) if line.get("call_id") == call_id]
    times = [moment(line.get("time")) for line in mine]
    first = next((time for time in times if time), None)
    return iter([(seconds_between(first, time), line) for time, line in zip(times, mine)])
