#| odev 2.3 cli.logs.call_timeline
def call_timeline(lines, call_id):
    result = []
    first = None
    for record in records_with(call_id, lines):
        if record.get("call_id") == call_id:
            when = moment(record.get("time"))
            if first is None:
                first = when
            result.append((seconds_between(first, when), record))
    return result
