"""What a quota really is, from the `x-ratelimit-*` headers of several answers.

`limit` is a number for a minute at OpenAI. Elsewhere it is the size of a bucket
that fills much faster. But everywhere `reset` is how long what was used takes to
come back, so each answer puts bounds on one rate. Where the bounds of answer
after answer agree, that is the rate; where they contradict each other (a window
that starts anew each minute, a `reset` of something else), `limit` is believed.
"""

from __future__ import annotations

import math

from safechat.headers import RateLimit

_ENOUGH = 4  # answers, and the factor by which their resets must differ, before …
_SPREAD = 2.0  # … a rate above `limit` a minute is believed


class ObservedLimit:
    """One quota of one model. `per_minute` is None until an answer has told a limit."""

    def __init__(self) -> None:
        self._begin(None)

    def _begin(self, limit: float | None) -> None:
        self._limit = self.per_minute = limit
        self._answers = 0
        self._slowest, self._fastest = 0.0, math.inf  # bounds of the rate, in units a second
        self._shortest, self._longest = math.inf, 0.0  # resets seen, in seconds

    def learn(self, said: RateLimit) -> None:
        """Take one answer's headers into account."""
        if said.limit != self._limit:
            self._begin(said.limit)
        if said.remaining is None or not said.reset or said.remaining >= said.limit:
            return
        used = said.limit - said.remaining  # rounded up: `remaining` is rounded down
        rounding = 0.0005 if said.reset < 1 else 0.0005 + 0.01 * said.reset
        self._answers += 1
        self._slowest = max(self._slowest, (used - 1) / (said.reset + rounding))
        self._fastest = min(self._fastest, used / max(said.reset - rounding, 1e-9))
        self._shortest = min(self._shortest, said.reset)
        self._longest = max(self._longest, said.reset)
        agree = self._slowest <= self._fastest
        enough = self._answers >= _ENOUGH and self._longest >= _SPREAD * self._shortest
        self.per_minute = max(said.limit, self._fastest * 60) if agree and enough else said.limit
