"""What a call is made of where it does not say so itself, and the check of what it does say.

Not here: the checks of messages (messages.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from safechat.messages import ChatRequest, Messages, check_messages, check_model, check_seconds
from safechat.parse import check_parse
from safechat.sdk_clients import check_client


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


def check_fallbacks(
    client: object, fallbacks: Sequence[str | tuple[object, str]]
) -> list[tuple[object, str]]:
    """`fallbacks` as pairs of a client and a model."""
    if isinstance(fallbacks, str):
        raise TypeError(f"fallbacks must be a list of models, not a str: {fallbacks!r}")
    targets = []
    for each in fallbacks:
        if isinstance(each, str):
            targets.append((client, check_model(each)))
        elif isinstance(each, tuple) and len(each) == 2:
            check_client(each[0])
            targets.append((each[0], check_model(each[1])))
        else:
            raise TypeError(
                f"a fallback must be a model or a pair (client, model), not {type(each).__name__}"
            )
    return targets
