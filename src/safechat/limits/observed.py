"""What a quota really is, from the `x-ratelimit-*` headers of several answers.

`limit` is a number for a minute at OpenAI. Elsewhere it is the size of a bucket
that fills much faster. But everywhere `reset` is how long what was used takes to
come back, so each answer puts bounds on one rate. Where the bounds of answer
after answer agree, that is the rate; where they contradict each other (a window
that starts anew each minute, a `reset` of something else), `limit` is believed.
Not here: reading the headers (headers.py), the pacing (bucket.py).
"""

from __future__ import annotations

import math

from safechat.headers import RateLimit
from safechat.limits.bucket import Bucket
from safechat.runtime import clock

# A rate above `limit` a minute is believed after this many answers, when their resets differ by this factor.
_ENOUGH_ANSWERS = 4
_ENOUGH_SPREAD = 2.0

_RATE_CHANGE = 0.005  # a limit that moves by less is the same limit


class ObservedLimit:
    """One quota of one model. `per_minute` is None until an answer has named a limit."""

    def __init__(self) -> None:
        self._begin(None)

    def _begin(self, limit: float | None) -> None:
        self._limit = self.per_minute = limit
        self._answers = 0
        self._slowest, self._fastest = 0.0, math.inf  # bounds of the rate, in units a second
        self._shortest, self._longest = math.inf, 0.0  # resets seen, in seconds

    def learn(self, seen: RateLimit) -> None:
        """Take one answer's headers into account."""
        if seen.limit != self._limit:
            self._begin(seen.limit)
        if seen.remaining is None or not seen.reset or seen.remaining >= seen.limit:
            return
        used = seen.limit - seen.remaining  # rounded up: `remaining` is rounded down
        rounding = 0.0005 if seen.reset < 1 else 0.0005 + 0.01 * seen.reset
        self._answers += 1
        self._slowest = max(self._slowest, (used - 1) / (seen.reset + rounding))
        self._fastest = min(self._fastest, used / max(seen.reset - rounding, 1e-9))
        self._shortest = min(self._shortest, seen.reset)
        self._longest = max(self._longest, seen.reset)
        agree = self._slowest <= self._fastest
        enough = self._answers >= _ENOUGH_ANSWERS and self._longest >= _ENOUGH_SPREAD * self._shortest
        self.per_minute = max(seen.limit, self._fastest * 60) if agree and enough else seen.limit


class FollowedBucket:
    """The bucket of `requests` or of `tokens`: at the rate set by hand, else at that of the headers.

    `bucket` is None while no limit is known.
    """

    def __init__(self, kind: str, by_hand: float | None) -> None:
        self.kind = kind
        self.by_hand = by_hand is not None
        self.per_minute = by_hand
        self.bucket = None if by_hand is None else Bucket(by_hand)
        self._observed = ObservedLimit()
        self._fraction = 1.0

    def follow(self, seen: RateLimit, under_way: float) -> None:
        """Follow one answer's headers. `under_way` units count as taken when the limit becomes known."""
        self._observed.learn(seen)
        self.adopt(self._observed.per_minute or seen.limit, under_way)

    def adopt(self, per_minute: float, under_way: float = 0.0) -> None:
        """The limit is `per_minute`."""
        if self.per_minute is None or not math.isclose(self.per_minute, per_minute, rel_tol=_RATE_CHANGE):
            self.per_minute = per_minute
            self._pace(under_way)

    def divide(self, fraction: float) -> None:
        """From now on a fraction of the limit is this process's; where it becomes less, without a burst."""
        if fraction == self._fraction:
            return
        self._fraction = fraction
        self._pace(0.0)
        if self.bucket is not None and fraction < 1:
            self.bucket.hold_until(clock.now())

    def _pace(self, under_way: float) -> None:
        if self.per_minute is None:
            return
        if self.bucket is None:
            self.bucket = Bucket(self.per_minute * self._fraction, level=under_way)
        else:
            self.bucket.change(self.per_minute * self._fraction)
