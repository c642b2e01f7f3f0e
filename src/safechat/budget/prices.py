"""Prices: what a request has cost, or can cost, in US dollars.

Not here: what may be spent (budget.py, batch/spending.py), the price list (cost.py of the package).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from safechat.cost import cost_usd
from safechat.errors import ChatError, PriceUnknown
from safechat.limits.tokens import billed_tokens
from safechat.messages import ChatReply, ChatRequest
from safechat.usage import Usage

_PER_MILLION = 1e-6


@dataclass(frozen=True, slots=True)
class Prices:
    """Those that are `given`, as a Budget has them, and after them those of the price list."""

    given: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def usd(self, asked: str, answered: str, base_url: str | None, usage: Usage) -> float | None:
        """Of these tokens: by the model that was asked for where its price was given, else by the one that
        answered. None where no price is known."""
        if (pair := self.given.get(asked)) is not None:
            return _PER_MILLION * (pair[0] * usage.prompt_tokens + pair[1] * usage.completion_tokens)
        for model in dict.fromkeys((answered, asked)):
            usd = cost_usd(
                model,
                base_url,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cached_tokens=usage.cached_tokens,
            )
            if usd is not None:
                return usd
        return None

    def most(self, model: str, base_url: str | None, usage: Usage) -> float:
        """Of a request that can use these tokens at the most. Raises PriceUnknown."""
        usd = self.usd(model, model, base_url, usage)
        if usd is None:
            raise PriceUnknown(
                f"{model}: there is no price for this model, so it cannot be kept to a budget: give "
                f"one, Budget(prices={{{model!r}: (prompt, answer)}}), in US dollars for a million "
                "tokens, or install safechat[cost]",
                model=model,
                attempts=0,
            )
        return usd

    def of_reply(self, request: ChatRequest, reply: ChatReply) -> float | None:
        """None where the API counted no tokens, or no price is known."""
        return self._of_usage(request, reply.model, reply.base_url, reply.usage)

    def of_error(self, request: ChatRequest, error: ChatError) -> float | None:
        """0 for a request that was not sent, or was refused; None where nobody knows what it has cost."""
        if billed_tokens(error, 1) == 0:
            return 0.0
        return self._of_usage(request, error.model or request.model, error.base_url, error.usage)

    def _of_usage(
        self, request: ChatRequest, model: str, base_url: str | None, usage: Usage | None
    ) -> float | None:
        return None if usage is None else self.usd(request.model, model, base_url, usage)
