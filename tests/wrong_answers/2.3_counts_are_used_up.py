#| odev 2.3 cli.figures.nearest_rank
# hint: sayacı değiştirme
def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    left = math.ceil(sum(counts.values()) * percent / 100)
    for number in sorted(counts):
        left -= counts.pop(number)
        if left <= 0:
            return number
    return None
