"""What goes through the layers: a ChatRequest down, a ChatReply up.

Input is checked here, before anything is sent. Not here: reading what the API
answered (reply.py).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import BaseModel

from safechat.cost import cost_usd
from safechat.errors import ChatError

Message = Mapping[str, object]
OnPiece = Callable[[str], Awaitable[None]]
Messages = str | Sequence[Message]

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

_NOTHING: Mapping[str, object] = MappingProxyType({})
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call, checked. `params` are the API's own, `temperature` among them.

    `timeout` limits one attempt, in seconds. `deadline` is the moment, on the
    event loop's clock, at which the whole call must be over. `attempt` is 1 for
    the first request of a call, 2 for the next; `failures` are the errors of
    those before it. `parse` is the model that the answer's JSON must fit.

    With `on_piece` the answer is streamed: each piece of text is given to it as
    it comes, and the reply follows at the end. Then `timeout` limits the wait for
    each piece, and `strict_streams` asks for a finish_reason.
    """

    messages: tuple[Message, ...]
    model: str
    params: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    timeout: float = 10.0
    deadline: float | None = None
    allow_truncated: bool = False
    attempt: int = 1
    parse: type[BaseModel] | None = None
    on_piece: OnPiece | None = None
    strict_streams: bool = True
    failures: list[ChatError] = field(default_factory=list, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the API counted them. The cached are part of the prompt, the reasoning of the completion."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ChatReply:
    """An answer. `str(reply)` is its text.

    `model` is the one that answered, by the API's name for it. `latency` is in
    seconds; `attempts` counts requests. `parsed` is the answer as the model that
    was asked for with `parse=`. `headers` are those of the HTTP answer,
    lower-cased; a client that is not the SDK gives none, nor a `base_url`.
    """

    text: str
    model: str
    finish_reason: str | None = None
    usage: Usage | None = None
    request_id: str | None = None
    attempts: int = 1
    latency: float = 0.0
    tool_calls: tuple[Mapping[str, object], ...] = ()
    parsed: BaseModel | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS, repr=False, compare=False)
    base_url: str | None = field(default=None, repr=False, compare=False)

    @property
    def cost_usd(self) -> float | None:
        """US dollars by the price list of the extra `[cost]`; None where that has no price."""
        return cost_usd(self.usage, self.model, self.base_url)

    def __str__(self) -> str:
        return self.text


Handler = Callable[[ChatRequest], Awaitable[ChatReply]]


def check_messages(messages: object) -> tuple[Message, ...]:
    """`messages` as the API wants them; a str is one message of the user.

    Raises TypeError or ValueError that says which message is wrong, and how.
    """
    if isinstance(messages, str):
        if not messages.strip():
            raise ValueError(f"the prompt is empty: {messages!r}")
        _check_encodable("the prompt", messages)
        return ({"role": "user", "content": messages},)
    if not isinstance(messages, Sequence) or isinstance(messages, bytes | bytearray):
        raise TypeError(
            f"messages must be a str or a list of messages, not {_type_name(messages)}: {_short(messages)}"
        )
    if not messages:
        raise ValueError("messages is an empty list: there is nothing to ask")
    return tuple(_check_message(number, message) for number, message in enumerate(messages))


def _check_message(number: int, message: object) -> Message:
    where = f"messages[{number}]"
    if not isinstance(message, Mapping):
        raise TypeError(
            f"{where} must be a dict with role and content, not {_type_name(message)}: {_short(message)}"
        )
    role = message.get("role")
    if role is None:
        raise ValueError(f"{where} has no role: {_short(message)}")
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"{where} has an unknown role {role!r}; the API knows {', '.join(sorted(ROLES))}")
    content = message.get("content")
    calls_tools = role == "assistant" and (message.get("tool_calls") or message.get("function_call"))
    if content is None and not calls_tools:
        raise ValueError(f"{where} has no content: {_short(message)}")
    if content is not None and not isinstance(content, str | list | tuple):
        raise TypeError(
            f"{where} has a content of {_type_name(content)}; it must be a str or a list of parts: "
            f"{_short(content)}"
        )
    if role == "user" and not (content.strip() if isinstance(content, str) else content):
        raise ValueError(f"{where} is from the user and empty: {_short(message)}")
    if isinstance(content, str):
        _check_encodable(where, content)
    return message


def _check_encodable(where: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{where} holds half of a surrogate pair at position {error.start} "
            f"({text[error.start]!r}), which is no text that can be sent"
        ) from None


def check_seconds(name: str, seconds: object) -> float:
    """`seconds` as a float, if it is a number above 0 (infinity is one: no limit)."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {_type_name(seconds)}: {_short(seconds)}")
    if math.isnan(seconds) or seconds <= 0:
        raise ValueError(f"{name} must be above 0 seconds, not {seconds!r}")
    return float(seconds)


def check_model(model: object) -> str:
    """`model`, if it is a name."""
    if not isinstance(model, str):
        raise TypeError(f"model must be a str, not {_type_name(model)}: {_short(model)}")
    if not model.strip():
        raise ValueError(f"model is empty: {model!r}")
    return model


def _type_name(value: object) -> str:
    return type(value).__name__


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
