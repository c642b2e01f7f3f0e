"""What a reply cost, by the price list of `genai-prices` (extra `[cost]`); None where it has no price.

Never guessed: the price is that of the model at the address that answered. The
same model name at another address has another price, or none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safechat.messages import Usage


def cost_usd(usage: Usage | None, model: str, base_url: str | None) -> float | None:
    """US dollars. None without usage, without the price list, or where it knows no price."""
    prices = _price_list()
    if usage is None or base_url is None or prices is None:
        return None
    counted = prices.Usage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
    )
    try:
        return float(prices.calc_price(counted, model_ref=model, provider_api_url=base_url).total_price)
    except (LookupError, ValueError):  # no price, or counts that cannot be: more cached than there were
        return None


@lru_cache(maxsize=1)
def _price_list() -> Any:
    try:
        import genai_prices
    except ImportError:
        return None
    return genai_prices
