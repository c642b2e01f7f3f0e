"""The checks of what a caller gives: one function for each rule, before anything is sent.

Every check raises a TypeError or ValueError that says what is wrong, and how it should be. Not here:
what only the SDK knows, of its clients (call/clients.py) and of the parameters that they take
(call/sdk_parameters.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import cast, get_args

from pydantic import BaseModel

from safechat.assistant import answers_without_text, request_form
from safechat.messages import Api, Message
from safechat.redact import redacted_start


def check_fallbacks(
    client: object, fallbacks: Sequence[str | tuple[object, str] | tuple[object, str, Api]]
) -> list[tuple[object, str, Api | None]]:
    """`fallbacks` as triples of a client, a model and an API; a model without a client goes with `client`.
    Without an API it is the call's own, which is None."""
    if isinstance(fallbacks, str):
        raise TypeError(f"fallbacks must be a list of models, not a str: {fallbacks!r}")
    targets: list[tuple[object, str, Api | None]] = []
    for fallback in fallbacks:
        match fallback:
            case str() as model:
                targets.append((client, check_model(model), None))
            case (str() as model, str() as api):
                targets.append(_target(client, model, api))
            case (other, model):
                check_client(other)
                targets.append((other, check_model(model), None))
            case (other, model, api):
                targets.append(_target(other, model, api))
            case _:
                raise TypeError(
                    "a fallback must be a model, or a tuple (model, api), (client, model) or "
                    f"(client, model, api), not {_type_name(fallback)}"
                )
    return targets


def _target(client: object, model: object, api: object) -> tuple[object, str, Api]:
    check_client(client, known := check_api(api))
    return client, check_model(model), known


def check_api(api: object) -> Api:
    """`api`, if it names one of OpenAI's, or `auto`."""
    if api not in get_args(Api):
        raise ValueError(f"api must be one of {', '.join(map(repr, get_args(Api)))}, not {_short(api)}")
    return cast(Api, api)


def check_client(client: object, api: Api = "chat") -> None:
    """Raise TypeError if `client` cannot be called by `api`. Its text never shows the client."""
    needed = "responses" if api == "responses" else "chat.completions"
    try:
        create = attrgetter(f"{needed}.create")(client)
    except AttributeError:
        create = None
    if not callable(create):
        raise TypeError(f"client must have .{needed}.create; {type(client).__name__} has not")


def check_parse(model: object) -> type[BaseModel]:
    """`model`, if it is a pydantic model."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"parse must be a pydantic model, not {model!r}")
    return model


ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


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
    if isinstance(message, BaseModel):  # of the SDK's own classes
        fields = message.model_dump(mode="json", exclude_none=True, warnings=False)
        message = request_form(fields) if fields.get("role") == "assistant" else fields
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
    needs_none = role == "assistant" and answers_without_text(message)
    if content is None and not needs_none:
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


def check_seconds(name: str, seconds: object, *, finite: bool = False, zero: bool = False) -> float:
    """`seconds` as a float, if it is a number above 0. Infinity is one (no limit), unless it must be
    `finite`; with `zero`, 0 is allowed too."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {_type_name(seconds)}: {_short(seconds)}")
    if math.isnan(seconds) or seconds < 0 or (seconds == 0 and not zero):
        least = "0 seconds or more" if zero else "above 0 seconds"
        raise ValueError(f"{name} must be {least}, not {seconds!r}")
    if finite and math.isinf(seconds):
        raise ValueError(f"{name} must be a finite number of seconds, not {seconds!r}")
    return float(seconds)


def check_rate(name: str, rate: object) -> float:
    """`rate`, an amount a minute, as a float, if it is a finite number above 0."""
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise TypeError(f"{name} must be a number, not {_type_name(rate)}: {_short(rate)}")
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"{name} must be above 0 and finite, not {rate!r}")
    return float(rate)


def check_count(name: str, count: object, *, zero: bool = False) -> int:
    """`count`, if it is a whole number of at least 1; with `zero`, 0 is allowed too."""
    number = check_int(name, count)
    least = 0 if zero else 1
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number!r}")
    return number


def check_int(name: str, number: object) -> int:
    """`number`, if it is a whole number."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be an int, not {_type_name(number)}: {_short(number)}")
    return number


def check_model(model: object) -> str:
    """`model`, if it is a name."""
    if not check_text("model", model).strip():
        raise ValueError(f"model is empty: {model!r}")
    return cast(str, model)


def check_text(name: str, text: object) -> str:
    """`text`, if it is a str."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, not {_type_name(text)}: {_short(text)}")
    return text


def _type_name(value: object) -> str:
    return type(value).__name__


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return redacted_start(text, limit) + ("…" if len(text) > limit else "")
