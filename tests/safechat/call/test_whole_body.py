"""What an answer brings beside its text is there, and its message goes back as the next request wants it."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ParsedChatCompletion
from pydantic import BaseModel

from clients import KINDS, make_client, once
from safechat import ChatReply
from sse import DONE, ROLE, USAGE, chunk, event, sends
from wire import Peer, completion, http, wire

every_kind = pytest.mark.parametrize("kind", KINDS)
CALL = {"id": "a", "type": "function", "function": {"name": "ara", "arguments": "{}"}}
SIGNATURE = {"google": {"thought_signature": "AbC"}}


def answers(*bodies: dict[str, Any]) -> Callable[[Peer], None]:
    """A server that gives these bodies, one after another."""
    rest = list(bodies)
    return lambda peer: peer.say(http(json.dumps(rest.pop(0)).encode()))


def answered(kind: str, **fields: object) -> ChatReply:
    """The reply to a whole answer whose message has these fields."""
    with wire(answers(completion(message={"role": "assistant", **fields}))) as server:
        with once(make_client(kind, server.base_url)) as chat:
            return chat.generate("Merhaba")


def streamed(kind: str, *parts: bytes) -> ChatReply:
    """The reply to a stream of these parts."""
    with wire(sends(ROLE, *parts, chunk(finish="stop"), USAGE, DONE)) as server:
        with once(make_client(kind, server.base_url)) as chat:
            stream = chat.stream("Merhaba")
            for _ in stream:
                pass
    return stream.reply


@every_kind
def test_the_whole_body_is_there(kind: str) -> None:
    body = completion() | {"citations": ["https://example.org"], "provider": "X"}
    with wire(answers(body)) as server, once(make_client(kind, server.base_url)) as chat:
        reply = chat.generate("Merhaba")
    assert reply.raw == body
    assert reply.id == "chatcmpl-1"


@every_kind
def test_the_body_of_a_stream_is_its_pieces_put_together(kind: str) -> None:
    extra = event({"id": "1", "model": "m-1", "citations": ["https://example.org"], "choices": []})
    reply = streamed(kind, chunk("Mer"), chunk("haba"), extra)
    assert reply.raw == {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "citations": ["https://example.org"],
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Merhaba"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    assert reply.id == "1"


# The fields that hold what the model thought, in a whole message and in the deltas of a stream.
THOUGHT: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "DeepSeek": ({"reasoning_content": "Hımm"}, [{"reasoning_content": "Hı"}, {"reasoning_content": "mm"}]),
    "OpenRouter": ({"reasoning": "Hımm"}, [{"reasoning": "Hı"}, {"reasoning": "mm"}]),
    "Mistral": (
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hımm"}]},
                     {"type": "text", "text": "Merhaba"}]},
        [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hı"}]}]},
         {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "mm"}]}]}],
    ),
}  # fmt: skip


@every_kind
@pytest.mark.parametrize("server", THOUGHT)
def test_the_reasoning_is_read(kind: str, server: str) -> None:
    reply = answered(kind, **{"content": "Merhaba", **THOUGHT[server][0]})
    assert (reply.reasoning, reply.text) == ("Hımm", "Merhaba")


@every_kind
@pytest.mark.parametrize("server", THOUGHT)
def test_the_reasoning_of_a_stream_is_put_together(kind: str, server: str) -> None:
    deltas = THOUGHT[server][1]
    reply = streamed(kind, *(chunk(**delta) for delta in deltas), chunk("Merhaba"))
    assert (reply.reasoning, reply.text) == ("Hımm", "Merhaba")


def test_mistrals_parts_of_a_stream_become_one_of_each_kind() -> None:
    deltas = THOUGHT["Mistral"][1]
    reply = streamed("async", *(chunk(**delta) for delta in deltas), chunk("Mer"), chunk("haba"))
    assert reply.message["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hımm"}]},
        {"type": "text", "text": "Merhaba"},
    ]


def test_openrouters_reasoning_details_are_put_together_by_index() -> None:
    def detail(text: str, **besides: object) -> bytes:
        return chunk(reasoning_details=[{"type": "reasoning.text", "index": 0, "text": text, **besides}])

    reply = streamed("async", detail("Hı"), detail("mm", signature="AbC"), chunk("Merhaba"))
    assert reply.message["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "Hımm", "signature": "AbC"}
    ]


NULLS = {"refusal": None, "audio": None, "function_call": None, "annotations": [], "tool_calls": None}

MESSAGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({"content": "Merhaba", **NULLS}, {"role": "assistant", "content": "Merhaba"}),
    "a tool call": (
        {"content": None, "tool_calls": [{**CALL, "index": 0, "extra_content": SIGNATURE}]},
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, "extra_content": SIGNATURE}]},
    ),
    "arguments as an object": (
        {"content": "", "tool_calls": [{**CALL, "function": {"name": "ara", "arguments": {}}}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
    ),
    "the older function call": (
        {"content": None, "function_call": CALL["function"]},
        {"role": "assistant", "content": None, "function_call": CALL["function"]},
    ),
    "reasoning": (
        {"content": "Merhaba", "reasoning_content": "Hımm", "reasoning_details": []},
        {"role": "assistant", "content": "Merhaba", "reasoning_content": "Hımm"},
    ),
    "sound": (
        {"content": None, "audio": {"id": "audio_1", "transcript": "Merhaba", "data": "UklGR"}},
        {"role": "assistant", "audio": {"id": "audio_1"}},
    ),
    "sound without an id": (
        {"content": None, "audio": {"transcript": "Merhaba"}},
        {"role": "assistant", "content": "Merhaba"},
    ),
}


@every_kind
@pytest.mark.parametrize("name", MESSAGES)
def test_the_message_is_as_the_next_request_wants_it(kind: str, name: str) -> None:
    fields, expected = MESSAGES[name]
    assert answered(kind, **fields).message == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_a_loop_over_tool_calls_appends_the_message(kind: str, way: str) -> None:
    call = {**CALL, "extra_content": SIGNATURE}
    script: Any = {
        "whole": answers(completion(message={"content": None, "tool_calls": [call]}), completion()),
        "streamed": lambda peer: scripts.pop(0)(peer),
    }[way]
    scripts = [
        sends(chunk(tool_calls=[call]), chunk(finish="tool_calls"), DONE),
        sends(chunk("Merhaba!"), chunk(finish="stop"), DONE),
    ]
    messages: list[Any] = [{"role": "user", "content": "Ara"}]
    with wire(script) as server, once(make_client(kind, server.base_url)) as chat:
        while True:
            if way == "whole":
                reply = chat.generate(messages, tools=[])
            else:
                stream = chat.stream(messages, tools=[])
                assert "".join(stream) in ("", "Merhaba!")
                reply = stream.reply
            messages.append(reply.message)
            if not reply.tool_calls:
                break
            messages += [
                {"role": "tool", "tool_call_id": called["id"], "content": "yok"}
                for called in reply.tool_calls
            ]
    assert reply.text == "Merhaba!"
    assert server.requests[1]["messages"] == [
        {"role": "user", "content": "Ara"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "yok"},
    ]


def test_a_reply_made_by_hand_has_a_message_too() -> None:
    assert ChatReply("Merhaba!", "m").message == {"role": "assistant", "content": "Merhaba!"}
    assert ChatReply("", "m", tool_calls=(CALL,)).message["tool_calls"] == [CALL]


COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@every_kind
@pytest.mark.parametrize("way", COPIES)
def test_a_reply_with_its_body_goes_through_pickle_and_copy(kind: str, way: str) -> None:
    reply = answered(kind, content="Merhaba", reasoning_content="Hımm", tool_calls=[CALL])
    copied = COPIES[way](reply)
    assert (copied, copied.raw, copied.message) == (reply, reply.raw, reply.message)
    assert dataclasses.asdict(copied)["raw"] == reply.raw


# Messages as input


class Bill(BaseModel):
    total: int


def sdk_message(**fields: object) -> object:
    """A message of the SDK's own class, as its client gives it."""
    return (
        ChatCompletion.model_validate(completion(message={"role": "assistant", **fields})).choices[0].message
    )


def parsed_message() -> object:
    body = completion(message={"role": "assistant", "content": '{"total": 7}', "parsed": {"total": 7}})
    return ParsedChatCompletion[Bill].model_validate(body).choices[0].message


@every_kind
@pytest.mark.parametrize("name", ["text", "a tool call", "the older function call", "reasoning"])
def test_messages_of_the_sdks_own_classes_are_taken(kind: str, name: str) -> None:
    fields, expected = MESSAGES[name]
    with wire(answers(completion())) as server, once(make_client(kind, server.base_url)) as chat:
        chat.generate([{"role": "user", "content": "Ara"}, sdk_message(**fields)])
    sent: Any = server.requests[0]["messages"]
    assert sent[1] == expected


def test_a_parsed_message_of_the_sdk_goes_without_what_was_parsed() -> None:
    with wire(answers(completion())) as server, once(make_client("async", server.base_url)) as chat:
        chat.generate([{"role": "user", "content": "Ara"}, parsed_message()])
    sent: Any = server.requests[0]["messages"]
    assert sent[1] == {"role": "assistant", "content": '{"total": 7}'}


@pytest.mark.parametrize(
    "message",
    [{"role": "assistant", "refusal": "Olmaz."}, {"role": "assistant", "audio": {"id": "audio_1"}}],
    ids=["refusal", "audio"],
)
def test_an_assistants_message_with_only_a_refusal_or_sound_is_taken(message: dict[str, object]) -> None:
    with wire(answers(completion())) as server, once(make_client("async", server.base_url)) as chat:
        chat.generate([{"role": "user", "content": "Ara"}, message, {"role": "user", "content": "Peki?"}])
    sent: Any = server.requests[0]["messages"]
    assert sent[1] == message
