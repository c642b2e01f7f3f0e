"""The layers, in their order: the whole way of a call, in one place to see.

Not here: what a layer does (a file or a folder each), checking what a caller gives (client/).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Self

from safechat.breaker import BreakerPolicy
from safechat.budget.book import AnyBook
from safechat.budget.budget import Budget
from safechat.budget.layer import Budgeted, Charged
from safechat.budget.prices import Prices
from safechat.budget.shared import SharedBook
from safechat.cache import Cache, Cached
from safechat.call.layer import OpenAICall
from safechat.deadline import Deadline
from safechat.fallback import Fallback, Target, TimeLimits
from safechat.keys.layer import Keyed
from safechat.keys.source import KeySource
from safechat.limits.group import shared_at
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas, RateLimits
from safechat.limits.tokens import TokenEstimator
from safechat.log.call_record import call_record
from safechat.log.events import event
from safechat.log.layer import Logged
from safechat.messages import CHAT, RESPONSES_ENDPOINT, Api, ChatReply, ChatRequest, Handler
from safechat.retry import Retried, RetryPolicy
from safechat.runtime import clock

if TYPE_CHECKING:
    from safechat.telemetry import Telemetry

Layer = Callable[[Handler], Handler]
Stop = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Policies:
    """What a wrapper was set up with, apart from its clients and models. `keys` gives the API keys."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    limits: RateLimits = field(default_factory=RateLimits)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    keys: KeySource | None = None
    time_limits: TimeLimits = field(default_factory=TimeLimits)
    cache: Cache | None = None
    budget: Budget | None = None

    def book(self) -> AnyBook | None:
        """Where what is spent is kept, for one event loop; None without a budget."""
        if self.budget is None or self.limits.shared is None or self.budget.usd_per_day is None:
            return None if self.budget is None else self.budget.book
        return SharedBook(self.limits.shared, self.budget.book)

    def prices(self) -> Prices:
        """Those that the budget was given, and the price list."""
        return Prices() if self.budget is None else Prices(self.budget.prices)

    def for_another_client(self, base_url: str | None, earlier: Sequence[str | None]) -> Policies:
        """Those of a client among the fallbacks; `earlier` are the addresses of such clients before it.

        Limits set by hand are those of the wrapper's own client, and so are its keys. Another endpoint names
        its limits in its headers, and its client has a key. Where limits are shared, these are, too."""
        shared = None if self.limits.shared is None else shared_at(self.limits.shared, base_url, earlier)
        limits = replace(self.limits, requests_per_minute=None, tokens_per_minute=None, shared=shared)
        return replace(self, limits=limits, keys=None)


@dataclass(frozen=True, slots=True)
class ClientLayers:
    """One client: its way to the API, and the layers that it has for itself.

    A layer is a function: it is given the handler below it, and returns one that goes through both.
    """

    call: Handler
    keyed: Layer
    limited: Layer
    retried: Layer


@dataclass(frozen=True, slots=True)
class SharedLayers:
    """The layers that a call goes through once, whichever client answers it.

    `fallback` is given a list: for each client, the handler that reaches it.
    """

    fallback: Callable[[Sequence[Handler]], Handler]
    deadline: Layer
    logged: Layer


def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    """The handler that a call comes to first: all layers, around the calls of these clients.

    The wrapper's own client is the first of them.
    """
    reached = [client.retried(client.limited(client.keyed(client.call))) for client in clients]
    return shared.logged(shared.deadline(shared.fallback(reached)))


def by(next: Handler, api: Api | None) -> Handler:
    """`next`, whose requests go by `api`; without one, by their own."""
    if api is None:
        return next

    async def call(request: ChatRequest) -> ChatReply:
        return await next(replace(request, api=api))

    return call


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of one event loop, ready to answer."""

    handler: Handler
    calls: tuple[OpenAICall, ...]
    shared: tuple[Quotas | SharedBook, ...] = ()  # what may have a Redis behind it
    keys: KeySource | None = None
    estimator: TokenEstimator = field(default_factory=TokenEstimator)
    for_responses: Handler | None = None
    without_fallbacks: Handler | None = None
    prices: Prices = field(default_factory=Prices)
    has_budget: bool = False
    fallbacks: tuple[tuple[str, str | None], ...] = ()  # their models, and the addresses where those are
    attached: dict[object, Stop] = field(default_factory=dict)

    @classmethod
    def build(
        cls, client: object, fallbacks: Sequence[tuple[object, str, Api | None]], policies: Policies
    ) -> Self:
        """For the client, and for every other client among the fallbacks."""
        telemetry = _telemetry()
        estimator = TokenEstimator()
        clients = {id(other): other for other in (client, *(other for other, _, _ in fallbacks))}
        places = {identity: place for place, identity in enumerate(clients)}
        calls: list[OpenAICall] = []
        book = policies.book()
        all_quotas: list[Quotas] = []
        layers: list[ClientLayers] = []
        for other in clients.values():
            keyed = other is client and policies.keys is not None
            call = OpenAICall(other, keyed=keyed, threads=policies.limits.concurrency, aiohttp=True)
            earlier = [another.base_url for another in calls[1:]]
            own = policies if other is client else policies.for_another_client(call.base_url, earlier)
            calls.append(call)
            all_quotas.append(quotas := Quotas(own.limits))
            layers.append(_of_client(call, own, quotas, book, estimator, telemetry))
        targets = [(places[id(other)], model, api) for other, model, api in fallbacks]
        where = [call.base_url for call in calls]
        whole = _around(layers, targets, policies, telemetry, where)
        # A request that was written for the Responses API means nothing to Chat Completions.
        others = [target for target in targets if target[2] != "chat"]
        responses = whole if others == targets else _around(layers, others, policies, telemetry, where)
        # Another model's embeddings are of no use beside those that there are already.
        alone = _around(layers[:1], (), policies, telemetry, where[:1])
        shared: list[Quotas | SharedBook] = [*all_quotas]
        if isinstance(book, SharedBook):
            shared.append(book)
        return cls(
            whole,
            tuple(calls),
            tuple(shared),
            policies.keys,
            estimator,
            responses,
            alone,
            policies.prices(),
            policies.budget is not None,
            tuple((model, where[place]) for place, model, _ in targets),
        )

    async def answer(self, request: ChatRequest, deadline: float, *, began: float | None = None) -> ChatReply:
        """The call; `deadline` is in seconds from `began`, on the loop's clock, or from now."""
        started = clock.now()
        with call_record(new=True) as record:
            if began is not None:
                record.began = began
            reply = await self._handler(request)(replace(request, deadline=record.began + deadline))
        return replace(reply, latency=clock.now() - started)

    def _handler(self, request: ChatRequest) -> Handler:
        own = {CHAT: self.handler, RESPONSES_ENDPOINT: self.for_responses}
        return own.get(request.endpoint, self.without_fallbacks) or self.handler

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
        for shared in self.shared:
            await shared.aclose()
        for call in self.calls:
            await call.aclose()
        if (give_back := getattr(self.keys, "aclose", None)) is not None:
            await give_back()


def _of_client(
    call: OpenAICall,
    policies: Policies,
    quotas: Quotas,
    book: AnyBook | None,
    estimator: TokenEstimator,
    telemetry: Telemetry | None,
) -> ClientLayers:
    """The client's layers as these policies say. What they remember of its quota is there once."""
    keys, budget = policies.keys, policies.budget

    def keyed(next: Handler) -> Handler:
        with_key = next if keys is None else Keyed(next, keys=keys)
        kept = with_key if budget is None else Budgeted(with_key, budget, call.base_url, book)
        return Charged(kept, call.base_url)

    return ClientLayers(
        call if telemetry is None else telemetry.measured(call, call.base_url),
        keyed,
        partial(Limited, quotas=quotas, estimator=estimator),
        partial(Retried, policy=policies.retry),
    )


def _around(
    clients: Sequence[ClientLayers],
    targets: Sequence[tuple[int, str, Api | None]],
    policies: Policies,
    telemetry: Telemetry | None,
    where: Sequence[str | None],
) -> Handler:
    """All layers in their order. `targets` are the fallbacks: the place of a client, a model, and its API.
    `where` are the addresses of the clients."""
    cache = policies.cache

    def fallback(reached: Sequence[Handler]) -> Handler:
        by_api = {(place, api): by(reached[place], api) for place, _, api in targets}
        fallbacks = [Target(by_api[place, api], model) for place, model, api in targets]
        asked = Fallback(reached[0], fallbacks, policies.breaker, policies.time_limits)
        return asked if cache is None else Cached(asked, cache, where)

    whole = in_order(clients, SharedLayers(fallback, Deadline, Logged))
    return whole if telemetry is None else telemetry.traced(whole)


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
