"""The cost of a reply, by the price list of `genai-prices` (extra `[cost]`); None where it has no price.

A price is never guessed: it is that of the model at the address that answered. The
same model at another address has another price, or none.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any


def cost_usd(
    model: str, base_url: str | None, *, prompt_tokens: int, completion_tokens: int, cached_tokens: int
) -> float | None:
    """US dollars. None without the price list, or where it knows no price."""
    prices = _price_list()
    if base_url is None or prices is None:
        return None
    usage = prices.Usage(
        input_tokens=prompt_tokens, cache_read_tokens=cached_tokens, output_tokens=completion_tokens
    )
    try:
        return float(prices.calc_price(usage, model_ref=model, provider_api_url=base_url).total_price)
    except (LookupError, ValueError):  # no price, or impossible counts: more cached tokens than tokens
        return None


class CostSum:
    """The cost of many calls together.

    To price one call takes 70 µs. So where the price is proportional to the tokens, only their sum is
    priced; where it has steps, every call is.
    """

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], list[int]] = {}
        self._stepped: dict[tuple[str, str], float | None] = {}

    def add(self, host: str, model: str, prompt: int, completion: int, cached: int) -> None:
        """One call that `model` at `host` answered."""
        target = (host, model)
        if target not in self._tokens and target not in self._stepped:
            if _is_proportional(host, model):
                self._tokens[target] = [0, 0, 0]
            else:
                self._stepped[target] = None
        if target in self._tokens:
            sums = self._tokens[target]
            for index, count in enumerate((prompt, completion, cached)):
                sums[index] += count
        elif (cost := _priced(host, model, prompt, completion, cached)) is not None:
            self._stepped[target] = (self._stepped[target] or 0.0) + cost

    def total(self) -> float | None:
        """US dollars; None where nothing has a price."""
        costs = [_priced(*target, *sums) for target, sums in self._tokens.items()]
        known = [cost for cost in (*costs, *self._stepped.values()) if cost is not None]
        return sum(known) if known else None


def _is_proportional(host: str, model: str) -> bool:
    """Whether a thousand times the tokens cost a thousand times as much, or neither has a price."""
    few, many = (_priced(host, model, count, count, count // 2) for count in (1_000, 1_000_000))
    if few is None or many is None:
        return few is many
    return math.isclose(few * 1000, many, rel_tol=1e-9)


def _priced(host: str, model: str, prompt: int, completion: int, cached: int) -> float | None:
    return cost_usd(
        model,
        f"https://{host}/",
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
    )


@lru_cache(maxsize=1)
def _price_list() -> Any:
    try:
        import genai_prices
    except ImportError:
        return None
    return genai_prices
