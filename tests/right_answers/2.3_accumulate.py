#| odev 2.3 cli.figures.nearest_rank
def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    from itertools import accumulate

    numbers = sorted(counts)
    sums = accumulate(counts[number] for number in numbers)
    wanted = math.ceil(percent * sum(counts.values()) / 100)
    return next((number for number, total in zip(numbers, sums) if total >= wanted), None)
