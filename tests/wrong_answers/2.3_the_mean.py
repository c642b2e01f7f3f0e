#| odev 2.3 cli.figures.nearest_rank
# hint: küçükten büyüğe sırala
def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    total = sum(counts.values())
    return sum(number * count for number, count in counts.items()) // total if total else None
