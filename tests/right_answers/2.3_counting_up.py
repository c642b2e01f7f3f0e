#| odev 2.3 cli.figures.nearest_rank
def nearest_rank(counts, percent):
    if not counts:
        return None
    total = 0
    for count in counts.values():
        total += count
    wanted = math.ceil(total * percent / 100)
    seen = 0
    for number, count in sorted(counts.items()):
        seen = seen + count
        if seen >= wanted:
            return number
