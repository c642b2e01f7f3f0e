"""RetryBudget: how many retries all calls of a model may make together.

Not here: when one call tries again (retry.py).
"""

from __future__ import annotations


class RetryBudget:
    """Retries stop when too few calls succeed, and resume when they do again.

    As gRPC's retry throttling: a failure takes a token, an answer brings back a
    tenth, and nobody retries at half the tokens or fewer.
    Source: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling-retry-attempts-and-hedged-rpcs
    """

    def __init__(self, tokens: float = 16.0, per_answer: float = 0.1) -> None:
        self._most = self._tokens = tokens
        self._per_answer = per_answer

    def answered(self) -> None:
        self._tokens = min(self._most, self._tokens + self._per_answer)

    def failed(self) -> None:
        self._tokens = max(0.0, self._tokens - 1)

    def allows(self) -> bool:
        return self._tokens > self._most / 2
