"""A request in the form of the Responses API: what each parameter is called there.

A caller's code is that of Chat Completions, whichever API answers it; the names of the Responses API are
taken as well. What has no counterpart there is a TypeError. Not here: the messages (input_items.py), when a
request goes there (apis.py), what is answered (responses_reply.py).

Source: https://developers.openai.com/api/docs/guides/migrate-to-responses, and openai.types.responses
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from safechat.call.input_items import input_items
from safechat.messages import Message

# The parameters that the Responses API has not, and what to do without them.
_WITHOUT_COUNTERPART: dict[str, str] = {
    "audio": "",
    "frequency_penalty": "",
    "function_call": "pass tool_choice",
    "functions": "pass tools",
    "logit_bias": "",
    "logprobs": 'pass include=["message.output_text.logprobs"], and top_logprobs',
    "modalities": "",
    "n": "ask several times",
    "prediction": "",
    "presence_penalty": "",
    "seed": "",
    "stop": "",
    "web_search_options": 'pass tools=[{"type": "web_search"}]',
}
# Values of theirs that ask for nothing; None is another one.
_ASKS_FOR_NOTHING: dict[str, object] = {
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "n": 1,
    "presence_penalty": 0,
    "stop": [],
}
# Fields of a message that are lost there.
_LOST: dict[str, str] = {"audio": "", "function_call": ": use tool_calls", "name": ""}
_ENCRYPTED = "reasoning.encrypted_content"


def check_counterparts(messages: Iterable[Message], params: Mapping[str, object]) -> None:
    """Raise TypeError that names what the Responses API does not take, ValueError for `background=True`."""
    if (missing := without_counterpart(messages, params)) is not None:
        raise TypeError(missing)
    if params.get("background"):
        raise ValueError("background=True is answered later, and a call waits for its answer")


def without_counterpart(messages: Iterable[Message], params: Mapping[str, object]) -> str | None:
    """What of a request the Responses API does not take, and what to do about it; None where it takes all."""
    for name in params.keys() & _WITHOUT_COUNTERPART.keys():
        if params[name] is not None and params[name] != _ASKS_FOR_NOTHING.get(name):
            hint = _WITHOUT_COUNTERPART[name]
            return f"the Responses API has no counterpart for {name!r}{f': {hint}' if hint else ''}"
    for number, message in enumerate(messages):
        if message.get("role") == "function":
            return f"messages[{number}]: the Responses API has no role 'function': use 'tool'"
        for name, hint in _LOST.items():
            if message.get(name) and message.get("role") != "tool":
                return f"messages[{number}]: the Responses API has no counterpart for {name!r}{hint}"
    return None


def response_arguments(messages: Sequence[Message], params: Mapping[str, object]) -> dict[str, object]:
    """The messages and the parameters of a request as arguments of `client.responses.create`.

    The API stores nothing, unless `store` says so. What it does not store it cannot look up for the next
    request. So a caller who speaks of reasoning gets it in encrypted form, for the next request to bring it
    along. Others get it where the API gives it by itself: a model that does not reason refuses to be asked.
    """
    body: dict[str, object] = {"store": False}
    params = _without_none(params)
    for name, value in params.items():
        if name not in _WITHOUT_COUNTERPART and name not in _TRANSLATED:
            body[name] = value
    for name, (place, field, translated) in _TRANSLATED.items():
        if name not in params:
            continue
        value = translated(params[name])
        if field:
            body[place] = {**_fields(body.get(place)), field: value}
        elif value or place != name:
            body[place] = value
    stored = bool(body["store"])
    if not stored and body.get("reasoning"):
        body.setdefault("include", [_ENCRYPTED])
    body["input"] = input_items(messages, stored=stored)
    return body


def _same(value: object) -> object:
    return value


def _text_format(value: object) -> object:
    """`response_format` has its schema one level deeper."""
    fields = _fields(value)
    schema = _fields(fields.pop("json_schema", None))
    return {**fields, **schema} if schema else value


def _tools(value: object) -> object:
    return [_tool(tool) for tool in value] if isinstance(value, Sequence) else value


def _tool(tool: object) -> object:
    """A tool, whose fields stand one level deeper in Chat Completions. A hosted tool stays as it is.

    There a function is not strict unless it says so, here it is.
    """
    fields = _fields(tool)
    if function := _without_none(_fields(fields.get("function"))):
        besides = {name: value for name, value in fields.items() if name != "function"}
        no_arguments = {"type": "object", "properties": {}}
        return {**besides, "strict": False, "parameters": no_arguments, **function}
    if custom := _fields(fields.get("custom")):
        besides = {name: value for name, value in fields.items() if name != "custom"}
        form = _fields(custom.get("format"))
        grammar = _fields(form.pop("grammar", None))
        return {**besides, **custom, **({"format": {**form, **grammar}} if form else {})}
    return tool


def _tool_choice(value: object) -> object:
    """A tool by its name, or those that are allowed, one level deeper in Chat Completions."""
    fields = _fields(value)
    kind = fields.get("type")
    inner = _fields(fields.get(kind)) if isinstance(kind, str) else {}
    if not inner:
        return value
    if isinstance(tools := inner.get("tools"), Sequence):
        inner["tools"] = [_tool_choice(tool) for tool in tools]
    return {"type": kind, **inner}


def _stream_options(value: object) -> object:
    """Here the usage comes in any case."""
    return {name: option for name, option in _fields(value).items() if name != "include_usage"}


def _fields(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}


def _without_none(fields: Mapping[str, object]) -> dict[str, object]:
    """A null is another value here than there: of `store` and `strict` it is True."""
    return {name: value for name, value in fields.items() if value is not None}


# By the name in Chat Completions: the place here, the field in it, and what becomes of the value. The later
# of two for one place wins. What is not in the table has the same name in both, or is known here only.
_TRANSLATED: dict[str, tuple[str, str, Callable[[object], object]]] = {
    "max_tokens": ("max_output_tokens", "", _same),
    "max_completion_tokens": ("max_output_tokens", "", _same),
    "reasoning_effort": ("reasoning", "effort", _same),
    "verbosity": ("text", "verbosity", _same),
    "response_format": ("text", "format", _text_format),
    "tools": ("tools", "", _tools),
    "tool_choice": ("tool_choice", "", _tool_choice),
    "stream_options": ("stream_options", "", _stream_options),
}
