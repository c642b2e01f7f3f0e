"""The layers, in their order: the whole way of a call, in one place to see.

Not here: what a layer does (a file each), checking what a caller gives (client.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Self

import anyio

from safechat.breaker import BreakerPolicy
from safechat.call.layer import OpenAICall
from safechat.client.workers import Stop
from safechat.deadline import Deadline
from safechat.fallback import Fallback, Target
from safechat.keys.layer import Keyed
from safechat.keys.source import KeySource
from safechat.limits.layer import Limited
from safechat.limits.quota import RateLimits
from safechat.log.events import event
from safechat.log.layer import Logged
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.retry import Retried, RetryPolicy

if TYPE_CHECKING:
    from safechat.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of one event loop, ready to answer."""

    handler: Handler
    calls: tuple[OpenAICall, ...]
    keys: KeySource | None = None
    attached: dict[object, Stop] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        client: object,
        fallbacks: Sequence[tuple[object, str]],
        retry: RetryPolicy,
        limits: RateLimits,
        breaker: BreakerPolicy,
        keys: KeySource | None = None,
    ) -> Self:
        """The order of the layers, for the client and for each other one among the fallbacks.

        Limits set by hand are those of the client's own quota; another endpoint
        has another, and tells it in its headers. So it is with `keys`.
        """
        telemetry = _telemetry()
        calls: dict[int, OpenAICall] = {}
        reached: dict[int, Handler] = {}
        for each in (client, *(other for other, _ in fallbacks)):
            if id(each) not in calls:
                call: Handler
                own = keys if each is client else None
                call = calls[id(each)] = OpenAICall(each, keyed=own is not None)
                if telemetry is not None:
                    call = telemetry.measured(call, calls[id(each)].base_url)
                if own is not None:  # after the limiter: a call that waits there takes the newest key
                    call = Keyed(call, own)
                allowed = limits if each is client else RateLimits(concurrency=limits.concurrency)
                reached[id(each)] = Retried(Limited(call, allowed), retry)
        targets = [Target(reached[id(other)], model) for other, model in fallbacks]
        whole: Handler = Logged(Deadline(Fallback(reached[id(client)], targets, breaker)))
        if telemetry is not None:
            whole = telemetry.traced(whole)
        return cls(whole, tuple(calls.values()), keys)

    async def answer(self, request: ChatRequest, deadline: float) -> ChatReply:
        """The call; `deadline` is in seconds from now."""
        started = anyio.current_time()
        reply = await self.handler(replace(request, deadline=started + deadline))
        return replace(reply, latency=anyio.current_time() - started)

    def attach(self, stop: Stop) -> Callable[[], None]:
        """A queue that works here: it is stopped before the connections are closed."""
        mark = object()
        self.attached[mark] = stop

        def detach() -> None:
            self.attached.pop(mark, None)

        return detach

    async def aclose(self) -> None:
        for stop in list(self.attached.values()):
            await stop()
        for call in self.calls:
            await call.aclose()
        if (give_back := getattr(self.keys, "aclose", None)) is not None:
            await give_back()


@cache
def _telemetry() -> Telemetry | None:
    """OpenTelemetry's part, where it is installed; one for the process, as its metrics are."""
    try:
        from safechat.telemetry import Telemetry

        return Telemetry()
    except ModuleNotFoundError:
        return None
    except Exception as error:  # some other version of it: not a reason for a call to fail
        event(logging.WARNING, "telemetry.off", error=f"{type(error).__name__}: {error}")
        return None
