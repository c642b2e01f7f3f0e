"""What the calls of a log cost together, without pricing each one. Not here: prices (cost.py)."""

from __future__ import annotations

import math

from safechat.cost import cost_usd
from safechat.messages import Usage


class CostSum:
    """What many calls cost together. Pricing one takes 70 µs, so where a price grows evenly with the
    tokens (few have steps), only the sum is priced."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], list[int]] = {}
        self._stepped: dict[tuple[str, str], float | None] = {}

    def add(self, host: str, model: str, prompt: int, completion: int, cached: int) -> None:
        """One call that `model` at `host` answered."""
        where = (host, model)
        if where not in self._tokens and where not in self._stepped:
            if _is_even(host, model):
                self._tokens[where] = [0, 0, 0]
            else:
                self._stepped[where] = None
        if where in self._tokens:
            sums = self._tokens[where]
            for index, count in enumerate((prompt, completion, cached)):
                sums[index] += count
        elif (cost := _priced(host, model, prompt, completion, cached)) is not None:
            self._stepped[where] = (self._stepped[where] or 0.0) + cost

    def total(self) -> float | None:
        """US dollars; None where nothing has a price."""
        costs = [_priced(*where, *sums) for where, sums in self._tokens.items()]
        known = [cost for cost in (*costs, *self._stepped.values()) if cost is not None]
        return sum(known) if known else None


def _is_even(host: str, model: str) -> bool:
    """Whether a thousand times the tokens cost a thousand times as much; also where neither has a price."""
    little, much = (_priced(host, model, count, count, count // 2) for count in (1_000, 1_000_000))
    if little is None or much is None:
        return little is much
    return math.isclose(little * 1000, much, rel_tol=1e-9)


def _priced(host: str, model: str, prompt: int, completion: int, cached: int) -> float | None:
    usage = Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)
    return cost_usd(usage, model, f"https://{host}/")
