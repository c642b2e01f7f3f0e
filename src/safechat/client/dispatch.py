"""What a call is made of where it does not say so itself, and the check of what it does say.

Not here: the checks of messages (messages.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from safechat.checks import check_messages, check_model, check_parse, check_seconds
from safechat.messages import ChatRequest, Messages


@dataclass(frozen=True, slots=True)
class Defaults:
    """A wrapper's own model, time limits in seconds, and strictness."""

    model: str
    timeout: float
    deadline: float
    strict_streams: bool

    def __post_init__(self) -> None:
        check_model(self.model)
        check_seconds("timeout", self.timeout)
        check_seconds("deadline", self.deadline)

    def seconds(self, deadline: float | None) -> float:
        """The time that a whole call may take."""
        return self.deadline if deadline is None else check_seconds("deadline", deadline)

    def request(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        strict_streams: bool | None = None,
        **params: object,
    ) -> ChatRequest:
        """What is asked, checked. Raises TypeError or ValueError that says what is wrong with it."""
        for name in ("stream", "stream_options"):
            if name in params:
                raise ValueError(f"{name} is not for generate: chat.stream and chat.stream_async stream")
        if temperature is not None:
            params["temperature"] = temperature
        return ChatRequest(
            messages=check_messages(messages),
            model=self.model if model is None else check_model(model),
            params=params,
            timeout=self.timeout if timeout is None else check_seconds("timeout", timeout),
            allow_truncated=allow_truncated,
            parse=parse if parse is None else check_parse(parse),
            strict_streams=self.strict_streams if strict_streams is None else strict_streams,
        )
