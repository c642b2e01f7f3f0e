#| odev 2.3 cli.figures.nearest_rank
from bisect import bisect_left
from itertools import accumulate


def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    numbers = sorted(counts)
    sums = list(accumulate(map(counts.__getitem__, numbers)))
    return numbers[bisect_left(sums, math.ceil(sums[-1] * percent / 100))] if sums else None
