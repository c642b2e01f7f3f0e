#| odev 2.3 cli.logs.call_timeline
# hint: kimliğin geçmesi yetmez
def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    """The story of one call: its records in the order of the lines, each after the seconds since the first.

    A record of the call has exactly this `call_id`. A line that is torn, or of another program, is skipped.
    A record whose time cannot be read has 0.0; so has each before the first whose time can be.
    """
    first = None
    for record in records_with(call_id, lines):
        at = moment(record.get("time"))
        first = first or at
        yield seconds_between(first, at), record
