#| odev 2.3 cli.figures.nearest_rank
# hint: Bir sayı milyonlarca kez
def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    numbers = sorted(number for number, count in counts.items() for _ in range(min(count, 10_000)))
    return numbers[math.ceil(len(numbers) * percent / 100) - 1] if numbers else None
