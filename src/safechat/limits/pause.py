"""Pause: after a 429 all calls of the model wait, not just the one that met it.

The API says how long; where it does not, each pause is twice as long as the one before. Some APIs name an
hour for a limit of a minute. So a pause has a longest time: then one call goes alone, and its answer decides
for the others. Not here: the waiting (gate.py), the call that goes alone (window.py).
"""

from __future__ import annotations

from safechat.headers import Random, with_jitter
from safechat.limits.gate import Gate
from safechat.limits.refusal import paused
from safechat.limits.window import Window
from safechat.messages import ChatRequest
from safechat.runtime import clock

_LONGEST_GUESS = 30.0  # seconds


def guessed_pause(pauses: int) -> float:
    """Seconds to wait after a 429 that names no wait: 1, 2, 4, … for one pause after another."""
    return min(_LONGEST_GUESS, 0.5 * 2.0 ** min(pauses, 10))


class Pause:
    """The pauses of one model, each of `longest` seconds at most."""

    def __init__(self, model: str, gate: Gate, window: Window, longest: float, random: Random) -> None:
        self._model = model
        self._gate = gate
        self._window = window
        self._longest = longest
        self._random = random
        self._pauses = 0  # since the last answer

    def answered(self) -> None:
        """The API takes calls again."""
        self._pauses = 0

    def refused(self, asked: float | None) -> None:
        """A 429 that asked for a wait, in seconds. Where it named none, or 0, the wait is guessed."""
        if not self._gate.closed_for():
            self._pauses += 1  # those of calls that were under way together count as one
        self.begin(asked or guessed_pause(self._pauses))

    def begin(self, asked: float) -> None:
        """Nobody goes for `asked` seconds, or only one call goes after the longest time."""
        if asked > self._longest:
            self._window.probe()
        self.join(clock.seconds(with_jitter(min(asked, self._longest), self._random)))

    def join(self, seconds: float) -> None:
        """Nobody goes for so long, also where it was another process that was refused."""
        self._gate.close_until(clock.now() + seconds, lambda seconds: paused(self._model, seconds))

    def left(self) -> float:
        """Seconds until it is over; 0 where there is none."""
        return self._gate.closed_for()

    def fits(self, request: ChatRequest, asked: float | None) -> bool:
        """Whether a call that was asked to wait has time for it, waiting switched off or not."""
        wait = max(self.left(), min(asked or 0.0, self._longest))
        return request.deadline is None or wait <= request.deadline - clock.now()

    def check(self, request: ChatRequest) -> None:
        """Raise RateLimited for a call whose deadline comes before the end of the pause."""
        left = self.left()
        if left and request.deadline is not None and left > request.deadline - clock.now():
            raise paused(request.model, left)
