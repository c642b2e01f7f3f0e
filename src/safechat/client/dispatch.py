"""Dispatcher: what the wrapper, its streams, maps and queues share.

It knows the wrapper's defaults, makes a checked call of what a caller gives, and runs it in the wrapper's
own event loop. Not here: the rules of the checks (checks.py, and call/sdk_parameters.py for what an SDK's
client takes), the layers and their order (layers.py).
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from pydantic import BaseModel

from safechat.call.responses import check_counterparts
from safechat.call.sdk_parameters import PARAMETERS, check_parameters, is_for_responses, own_parameters
from safechat.checks import check_api, check_client, check_messages, check_model, check_parse, check_seconds
from safechat.client.bodies import parameters_of, texts_of
from safechat.layers import Layers
from safechat.messages import RESPONSES_ENDPOINT, Api, ChatReply, ChatRequest, Messages, OnPiece
from safechat.runtime.loop import Outcome, OwnLoop, Visit

T = TypeVar("T")

_OF_A_RESPONSE = PARAMETERS | {"input", "stream_options"}  # beside the parameters of that API alone


@dataclass(frozen=True, slots=True)
class Defaults:
    """A wrapper's own model, time limits in seconds, strictness, and API."""

    model: str
    timeout: float
    deadline: float
    strict_streams: bool
    api: Api = "chat"

    def __post_init__(self) -> None:
        check_model(self.model)
        check_api(self.api)
        check_seconds("timeout", self.timeout)
        check_seconds("deadline", self.deadline)


@dataclass(frozen=True, slots=True)
class Call:
    """A checked call, ready for the layers. `deadline` is in seconds from its start."""

    request: ChatRequest
    deadline: float

    async def answer(self, layers: Layers, began: float | None = None) -> ChatReply:
        """The reply. The deadline counts from `began`, on the wrapper's loop's clock, or from now."""
        return await layers.answer(self.request, self.deadline, began=began)

    async def stream(self, layers: Layers, on_piece: OnPiece) -> ChatReply:
        """The same, with each piece of text given to `on_piece` as it comes."""
        return await layers.answer(replace(self.request, on_piece=on_piece), self.deadline)


class Dispatcher:
    """Makes calls to `clients`, and runs them in the loop whose layers `build` makes. A client has the API
    beside it that it is called by, or None where each call says it.

    The loop ends with `close`, or when nobody holds the dispatcher any more: a wrapper that is dropped
    without `close` leaves no thread behind, and a stream keeps the loop that it needs.
    """

    def __init__(
        self, defaults: Defaults, clients: Sequence[tuple[object, Api | None]], build: Callable[[], Layers]
    ) -> None:
        self.defaults = defaults
        self._clients = clients
        self._loop = OwnLoop(build)
        weakref.finalize(self, self._loop.close, wait=False).atexit = False

    def call(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        strict_streams: bool | None = None,
        streamed: bool = False,
        api: Api | None = None,
        params: Mapping[str, object],
    ) -> Call:
        """A checked call. Its `api` may be among the `params`, too. Raises TypeError or ValueError that says
        what is wrong with an argument; so does a parameter that one of the clients, of the fallbacks too,
        does not take."""
        if "api" in params:
            params = dict(params)
            api = cast(Api, params.pop("api"))
        for name in ("stream",) if streamed else ("stream", "stream_options"):
            if name in params:
                raise ValueError(f"{name} is not for generate: chat.stream and chat.stream_async stream")
        defaults = self.defaults
        own_api = defaults.api if api is None else check_api(api)
        checked = check_messages(messages)
        known = {name: value for name, value in params.items() if name != "stream_options"}
        for client, target_api in self._clients:
            answering = target_api or own_api
            check_parameters(client, known, answering)
            if api is not None or answering == "responses":
                check_client(client, answering)
            goes_there = answering == "auto" and hasattr(client, "responses") and is_for_responses(known)
            if answering == "responses" or goes_there:
                check_counterparts(checked, params)
        request = ChatRequest(
            messages=checked,
            model=defaults.model if model is None else check_model(model),
            params=dict(params) if temperature is None else {**params, "temperature": temperature},
            timeout=defaults.timeout if timeout is None else check_seconds("timeout", timeout),
            allow_truncated=allow_truncated,
            parse=None if parse is None else check_parse(parse),
            strict_streams=defaults.strict_streams if strict_streams is None else strict_streams,
            api=own_api,
        )
        return Call(request, defaults.deadline if deadline is None else check_seconds("deadline", deadline))

    def response(
        self,
        body: Mapping[str, object],
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        params: Mapping[str, object] | None = None,
    ) -> Call:
        """A call that was written for the Responses API, whose answer comes as that API gives it. `body` is
        what the API gets, and what it checks; `params` are the SDK's own. Raises TypeError or ValueError."""
        defaults = self.defaults
        check_client(self._clients[0][0], "responses")
        own = {name: value for name, value in body.items() if name not in ("model", "stream")}
        request = ChatRequest(
            messages=texts_of(body),
            model=check_model(body.get("model") or defaults.model),
            params={**parameters_of(own, _OF_A_RESPONSE | own_parameters()), **(params or {})},
            timeout=defaults.timeout if timeout is None else timeout,
            allow_truncated=allow_truncated,
            strict_streams=defaults.strict_streams,
            endpoint=RESPONSES_ENDPOINT,
            api="responses",
        )
        return Call(request, defaults.deadline if deadline is None else deadline)

    def run(self, function: Callable[[Layers], Awaitable[T]]) -> T:
        """`await function(layers)` in the wrapper's loop, from a thread."""
        return self._loop.run(function)

    def run_async(self, function: Callable[[Layers], Awaitable[T]]) -> Awaitable[T]:
        """The same from another event loop; cancelling the caller cancels it."""
        return self._loop.run_async(function)

    def start(
        self, function: Callable[[Layers], Awaitable[T]], return_with: Callable[[Outcome[T]], object]
    ) -> Visit[T]:
        """Begin it there without waiting for it; `return_with` gets its outcome, in the wrapper's loop."""
        return self._loop.start(function, return_with)

    def check_elsewhere(self) -> None:
        """Raise RuntimeError in the wrapper's own loop, which must not be blocked."""
        self._loop.check_elsewhere()

    @property
    def closed(self) -> bool:
        return self._loop.closed

    def close(self) -> None:
        """Cancel the calls under way, close the connections, end the loop."""
        self._loop.close()

    async def aclose(self) -> None:
        """`close` for an event loop, which it does not block."""
        await self._loop.aclose()
