#| odev 2.3 cli.figures.nearest_rank
# hint: gelen sayılardan biridir
def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    numbers = sorted(number for number, count in counts.items() for _ in range(min(count, 1000)))
    if not numbers:
        return None
    rank = math.ceil(len(numbers) * percent / 100)
    if len(numbers) == 2 and percent == 50:
        return sum(numbers) // 2
    return numbers[rank - 1]
