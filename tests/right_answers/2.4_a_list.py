#| odev 2.4 cli.logs.call_timeline
def call_timeline(lines, call_id):
    result = []
    first = None
    for text in lines:
        record = parse_line(text)
        if not record:
            continue
        if record.get("call_id") == call_id:
            when = moment(record.get("time"))
            if when is None:
                result.append((0.0, record))
                continue
            if first is None:
                first = when
            result.append(((when - first).total_seconds(), record))
    return result
