"""What goes through the layers: a ChatRequest down, a ChatReply up.

Not here: checking what a caller gives (checks.py), reading what the API answered
(call/reply.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import BaseModel

from safechat.assistant import message_in, request_form
from safechat.cost import cost_usd
from safechat.usage import Usage

Message = Mapping[str, object]
CHAT = "POST /chat/completions"
OnPiece = Callable[[str], Awaitable[None]]
OnStart = Callable[[Mapping[str, str]], None]
Messages = str | Sequence[Message | BaseModel]  # the SDK's own message classes are pydantic's


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call, checked. `params` are the API's own, `temperature` among them. Its repr shows neither the
    messages nor the params.

    `timeout` limits one attempt, in seconds. `deadline` is the moment, on the
    event loop's clock, at which the whole call must be over. `attempt` is 1 for
    the first request to a model, 2 for the next. `parse` is the model that the answer's JSON must fit.

    With `on_piece` the answer is streamed: each piece of text is given to it as
    it comes, and the reply follows at the end. Then `timeout` limits the wait for
    each piece, and `strict_streams` asks for a finish_reason. `on_start` is called
    once, with the headers of the answer, when the first chunk of the stream has come.

    `endpoint` is where the request goes. To any other than CHAT, `params` go as the whole body, and the
    reply has no text: its `raw` is the body that came. There `messages` only serve to estimate the tokens.
    """

    messages: tuple[Message, ...] = field(repr=False)
    model: str
    params: Mapping[str, object] = field(default_factory=dict, repr=False)
    timeout: float = 10.0
    deadline: float | None = None
    allow_truncated: bool = False
    attempt: int = 1
    parse: type[BaseModel] | None = None
    on_piece: OnPiece | None = None
    on_start: OnStart | None = None
    strict_streams: bool = True
    endpoint: str = CHAT

    def also_on_start(self, listener: OnStart) -> ChatRequest:
        """This request, whose stream also tells `listener` that it has begun."""
        before = self.on_start
        if before is None:
            return replace(self, on_start=listener)

        def both(headers: Mapping[str, str]) -> None:
            before(headers)
            listener(headers)

        return replace(self, on_start=both)


@dataclass(frozen=True, slots=True)
class ChatReply:
    """An answer. `str(reply)` is its text.

    `model` is the one that answered, by the API's name for it. `finish_reason` is in
    OpenAI's words, where the server's own are known. `latency` is in seconds;
    `attempts` counts requests. `parsed` is the answer as the model that was asked
    for with `parse=`. `headers` are those of the HTTP answer, lower-cased; a client
    that is not the SDK gives none, nor a `base_url`. `cached` says that it comes from a cache: its
    `usage` is that of the answer as it was given once, and it has cost nothing now.
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
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    base_url: str | None = field(default=None, repr=False, compare=False)
    id: str | None = None
    reasoning: str = field(default="", repr=False)
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    cached: bool = False

    @property
    def message(self) -> dict[str, object]:
        """The assistant's message as the next request wants it: `messages.append(reply.message)`."""
        own = {"content": self.text, "tool_calls": self.tool_calls}
        return message_in(self.raw) or request_form(own)

    @property
    def cost_usd(self) -> float | None:
        """US dollars by the price list of the extra `[cost]`; None where that has no price."""
        usage = self.usage
        if self.cached:
            return 0.0
        if usage is None:
            return None
        return cost_usd(
            self.model,
            self.base_url,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
        )

    def __str__(self) -> str:
        return self.text


Handler = Callable[[ChatRequest], Awaitable[ChatReply]]
