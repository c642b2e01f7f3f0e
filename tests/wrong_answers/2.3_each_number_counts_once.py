#| odev 2.3 cli.figures.nearest_rank
# hint: counts[sayı] kez gelmiştir
def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    left = math.ceil(len(counts) * percent / 100)
    for number in sorted(counts):
        left -= 1
        if left <= 0:
            return number
    return None
