"""What a batch will need, before anything is sent: tokens by our own count, dollars by the price list.

Not here: what it did cost (spending.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from safechat.cost import CostSum
from safechat.limits.tokens import TokenEstimator, answer_budget, answers_of
from safechat.messages import ChatRequest


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of `rows` requests. `answer_tokens` are the most that `max_completion_tokens` allows; `unlimited` rows
    have none, and are not in it. Dollars are None where they are not known."""

    rows: int
    prompt_tokens: int
    answer_tokens: int
    unlimited: int
    prompts_usd: float | None
    most_usd: float | None


def estimated(requests: Iterable[ChatRequest], base_url: str | None) -> Estimate:
    """The sum over these requests to the API at `base_url`."""
    estimator = TokenEstimator()
    host = urlsplit(base_url or "").hostname or ""
    rows = prompts = answers = unlimited = 0
    prompts_cost, most_cost = CostSum(), CostSum()
    for request in requests:
        prompt, answer = tokens_at_most(request, estimator)
        rows += 1
        prompts += prompt
        unlimited += answer is None
        answers += answer or 0
        prompts_cost.add(host, request.model, prompt, 0, 0)
        most_cost.add(host, request.model, prompt, answer or 0, 0)
    most = most_cost.total() if not unlimited else None
    return Estimate(rows, prompts, answers, unlimited, prompts_cost.total(), most)


def tokens_at_most(request: ChatRequest, estimator: TokenEstimator) -> tuple[int, int | None]:
    """Tokens of the prompt and of its answers; None where the request does not limit them."""
    budget = answer_budget(request)
    prompt = estimator.estimate(request) - (budget or 0)
    return prompt, None if budget is None else budget * answers_of(request)
