"""The messages of a conversation as the items of the Responses API's `input`.

Not here: the parameters (responses.py), an answer's items as a message (assistant.py).

Source: https://developers.openai.com/api/docs/guides/migrate-to-responses, and openai.types.responses
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from safechat.assistant import OUTPUT, json_text
from safechat.call.fields import plain
from safechat.messages import Message

Item = dict[str, object]


def input_items(messages: Iterable[Message], *, stored: bool) -> list[Item]:
    """`stored` says whether the API keeps what it answers, so that it can look up an item by its id."""
    items: list[Item] = []
    for message in map(_plain, messages):
        match message.get("role"):
            case "assistant":
                items += _answered(message, stored)
            case "tool":
                items.append(_tool_result(message, items))
            case role:
                items.append({"role": role, "content": _parts(message.get("content"), "input_text")})
    return items


def without_reasoning(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages without what a model thought, and without the ids that name it."""
    return tuple(
        {**message, OUTPUT: _without_reasoning(output)}
        if isinstance(output := message.get(OUTPUT), list | tuple)
        else message
        for message in messages
    )


def _without_reasoning(output: Iterable[object]) -> list[Item]:
    items = [item for item in output if isinstance(item, Mapping) and item.get("type") != "reasoning"]
    return [{name: value for name, value in item.items() if name != "id"} for item in items]


def _plain(message: Message) -> Message:
    """The message, where tool calls and parts may be objects of the SDK."""
    return cast(Message, plain(message))


def _answered(message: Message, stored: bool) -> Iterator[Item]:
    """What an assistant's message said and called, or the items of the response that it was."""
    if isinstance(output := message.get(OUTPUT), list | tuple):
        yield from _sent_back([dict(item) for item in output if isinstance(item, Mapping)], stored)
        return
    content, refusal = _parts(message.get("content"), "output_text"), message.get("refusal")
    if content:
        yield {"role": "assistant", "content": content}
    if refusal:
        yield {"role": "assistant", "content": [{"type": "refusal", "refusal": refusal}]}
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list | tuple) else ():
        yield _call(call)


def _sent_back(items: list[Item], stored: bool) -> list[Item]:
    """The items of a response for the next request.

    Reasoning that is neither stored nor encrypted cannot be looked up, and an item of the same response that
    names itself cannot do without it: github.com/earendil-works/pi/issues/5059,
    github.com/omnigent-ai/omnigent/issues/5066
    """
    if stored or all(item.get("encrypted_content") for item in items if item.get("type") == "reasoning"):
        return items
    return [
        {name: value for name, value in item.items() if name != "id"}
        for item in items
        if item.get("type") != "reasoning" or item.get("encrypted_content")
    ]


def _call(call: Mapping[str, object]) -> Item:
    custom, function = call.get("custom"), call.get("function")
    if isinstance(custom, Mapping):
        form = {"type": "custom_tool_call", "call_id": call.get("id")}
        return {**form, "name": custom.get("name"), "input": custom.get("input")}
    said = function if isinstance(function, Mapping) else {}
    form = {"type": "function_call", "call_id": call.get("id")}
    return {**form, "name": said.get("name"), "arguments": json_text(said.get("arguments"))}


def _tool_result(message: Message, before: list[Item]) -> Item:
    """The result of the call with this id, which is among the items before."""
    call_id = message.get("tool_call_id")
    kinds = [item["type"] for item in before if item.get("call_id") == call_id and "type" in item]
    kind = "custom_tool_call_output" if "custom_tool_call" in kinds else "function_call_output"
    return {"type": kind, "call_id": call_id, "output": _parts(message.get("content"), "input_text")}


def _parts(content: object, text_type: str) -> object:
    """A message's content; its parts by their names here. A part that has no other name stays as it is."""
    if not isinstance(content, list | tuple):
        return content
    return [_part(part, text_type) if isinstance(part, Mapping) else part for part in content]


def _part(part: Mapping[str, object], text_type: str) -> Item:
    kind = part.get("type")
    besides = {name: value for name, value in part.items() if name not in ("type", kind)}
    inner = part.get(kind) if isinstance(kind, str) else None
    match kind:
        case "text":
            return {"type": text_type, "text": inner, **besides}
        case "image_url":
            image = inner if isinstance(inner, Mapping) else {"url": inner}
            detail = image.get("detail") or "auto"
            return {"type": "input_image", "image_url": image.get("url"), "detail": detail, **besides}
        case "file" if isinstance(inner, Mapping):
            return {"type": "input_file", **inner, **besides}
        case _:
            return dict(part)
