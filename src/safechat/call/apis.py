"""The two APIs that answer a chat, as rows of one table, and which of them a request goes to.

Chat Completions answers plain questions; the current models of OpenAI take tools with reasoning, and all
hosted tools, on the Responses API only. Not here: how a request is sent (endpoint.py), what a row's functions
do (responses.py, responses_reply.py, responses_events.py, chunks.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from safechat.assistant import OUTPUT
from safechat.call.chunks import Chunked
from safechat.call.endpoint import COMPLETIONS, RESPONSES, Operation
from safechat.call.error_body import MODEL_HAS_MOVED, TOOLS_HAVE_MOVED
from safechat.call.responses import response_arguments, without_counterpart
from safechat.call.responses_events import Events, PassedOnEvents
from safechat.call.responses_reply import as_completion
from safechat.call.sdk_parameters import is_for_responses
from safechat.call.streamed import Streamed
from safechat.errors import ChatError
from safechat.log.events import event
from safechat.messages import RESPONSES_ENDPOINT, ChatRequest, Message

Params = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class WireFormat:
    """How a request and its answer look on the wire.

    `arguments(messages, params)` are those of the SDK's `create`; `completion(body, request, headers)` is the
    answer in the form that read_reply reads; `streamed(request)` puts a stream together, whose request also
    has the `stream_params`.
    """

    api: Literal["chat", "responses"]
    operation: Operation
    arguments: Callable[[Sequence[Message], Params], dict[str, object]]
    completion: Callable[[object, ChatRequest, Mapping[str, str]], object]
    streamed: Callable[[ChatRequest], Streamed]
    stream_params: Params = field(default_factory=dict)


def _chat_arguments(messages: Sequence[Message], params: Params) -> dict[str, object]:
    return {**params, "messages": [_without_output(message) for message in messages]}


def _without_output(message: Message) -> Message:
    """What an answer of the Responses API had besides is no part of a chat's message."""
    if OUTPUT not in message:
        return message
    return {name: value for name, value in message.items() if name != OUTPUT}


CHAT_FORMAT = WireFormat(
    "chat",
    COMPLETIONS,
    _chat_arguments,
    lambda body, request, headers: body,
    Chunked,
    {"stream_options": {"include_usage": True}},
)
RESPONSES_FORMAT = WireFormat("responses", RESPONSES, response_arguments, as_completion, Events)
# A request that was written for the Responses API, and an answer for its writer.
_PASSED_ON = WireFormat(
    "responses", RESPONSES, lambda messages, params: dict(params), as_completion, PassedOnEvents
)


class ApiMemory:
    """The models that have moved: the API takes them, or their tools, on the Responses API only.

    Without `speaks_responses` the client has no Responses API, and nothing is learned.
    """

    def __init__(self, speaks_responses: bool) -> None:
        self._speaks_responses = speaks_responses
        self._moved: dict[str, Literal["all", "tools"]] = {}

    def format_of(self, request: ChatRequest) -> WireFormat:
        """The row of the table that the request goes by. For `auto` it is Chat Completions, unless the model
        is known to have moved, or a parameter is of the Responses API alone."""
        if request.endpoint == RESPONSES_ENDPOINT:
            return _PASSED_ON
        if request.api == "responses" or (request.api == "auto" and self._goes_to_responses(request)):
            return RESPONSES_FORMAT
        return CHAT_FORMAT

    def learn(self, request: ChatRequest, error: ChatError) -> bool:
        """Whether `error`, of Chat Completions, sends the request on to the Responses API, and it can go
        there: then that is remembered."""
        if request.api != "auto" or not self._speaks_responses:
            return False
        if without_counterpart(request.messages, request.params) is not None:
            return False
        if MODEL_HAS_MOVED.search(str(error)):
            self._remember(request.model, "all")
        elif TOOLS_HAVE_MOVED.search(str(error)):
            self._remember(request.model, "tools")
        else:
            return False
        return True

    def _remember(self, model: str, requests: Literal["all", "tools"]) -> None:
        if self._moved.get(model) != requests:
            self._moved[model] = requests
            event(logging.WARNING, "chat.api_switched", model=model, api="responses", requests=requests)

    def _goes_to_responses(self, request: ChatRequest) -> bool:
        moved, params = self._moved.get(request.model), request.params
        wants = (
            moved == "all"
            or (moved == "tools" and params.get("tools") and params.get("reasoning_effort") != "none")
            or is_for_responses(params)
        )
        return (
            bool(wants) and self._speaks_responses and without_counterpart(request.messages, params) is None
        )
