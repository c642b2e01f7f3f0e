#| odev 2.3 cli.figures.nearest_rank
# hint: Yuvarlama aşağı değil
def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    left = round(sum(counts.values()) * percent / 100)
    for number in sorted(counts):
        left -= counts[number]
        if left <= 0:
            return number
    return None
