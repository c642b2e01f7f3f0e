"""Tool calls as each server writes them, in streams and in whole answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clients import KINDS, make_client, once
from safechat import ChatReply
from safechat.call.reply import read_tool_calls
from sse import DONE, ROLE, chunk, event, sends
from wire import completion, http, wire

every_kind = pytest.mark.parametrize("kind", KINDS)


def fragment(name: str | None = None, arguments: object = None, **besides: object) -> dict[str, object]:
    function = {"name": name, "arguments": arguments}
    return {"function": {key: value for key, value in function.items() if value is not None}, **besides}


def streamed(kind: str, *deltas: dict[str, Any], finish: str = "tool_calls") -> ChatReply:
    """The reply to a stream of these deltas."""
    script = sends(ROLE, *(chunk(**delta) for delta in deltas), chunk(finish=finish), DONE)
    with wire(script) as server, once(make_client(kind, server.base_url)) as chat:
        stream = chat.stream("Merhaba")
        for _ in stream:
            pass
    return stream.reply


def calls(*fragments: dict[str, object]) -> list[dict[str, Any]]:
    """One delta for each fragment."""
    return [{"tool_calls": [part]} for part in fragments]


def names_and_arguments(reply: ChatReply) -> list[tuple[object, object]]:
    functions: list[Any] = [call["function"] for call in reply.tool_calls]
    return [(function["name"], function["arguments"]) for function in functions]


TWO_CALLS = [("ara", '{"x":1}'), ("ara", '{"y":2}')]

# How servers send two calls of one function, whole or in fragments.
SHAPES: dict[str, list[dict[str, object]]] = {
    "one index for both (Ollama)": [
        fragment("ara", '{"x":1}', index=0, id="a"),
        fragment("ara", '{"y":2}', index=0, id="b"),
    ],
    "no index (Gemini)": [fragment("ara", '{"x":1}', id="a"), fragment("ara", '{"y":2}', id="b")],
    "no index, in fragments": [
        fragment("ara", "", id="a"),
        fragment(arguments='{"x"'),
        fragment(arguments=":1}"),
        fragment("ara", '{"y":2}', id="b"),
    ],
    "no id and no index": [fragment("ara", '{"x":1}'), fragment("ara", '{"y":2}')],
    "empty ids and one index": [
        fragment("ara", '{"x":1}', index=0, id=""),
        fragment("ara", '{"y":2}', index=0, id=""),
    ],
    "empty names and ids afterwards": [
        fragment("ara", "", index=0, id="a"),
        fragment("", '{"x":1}', index=0, id=""),
        fragment("ara", "", index=1, id="b"),
        fragment("", '{"y":2}', index=1, id=""),
    ],
    "the id in each fragment, in turns": [
        fragment("ara", '{"x"', index=0, id="a"),
        fragment("ara", '{"y"', index=0, id="b"),
        fragment(arguments=":1}", index=0, id="a"),
        fragment(arguments=":2}", index=0, id="b"),
    ],
    "name and id in each fragment": [
        fragment("ara", '{"x"', index=0, id="a"),
        fragment("ara", ":1}", index=0, id="a"),
        fragment("ara", '{"y"', index=1, id="b"),
        fragment("ara", ":2}", index=1, id="b"),
    ],
    "the second index first": [
        fragment("ara", '{"y":2}', index=1, id="b"),
        fragment("ara", '{"x":1}', index=0, id="a"),
    ],
}


@every_kind
@pytest.mark.parametrize("shape", SHAPES)
def test_two_streamed_calls_stay_two(kind: str, shape: str) -> None:
    reply = streamed(kind, *calls(*SHAPES[shape]))
    assert names_and_arguments(reply) == TWO_CALLS
    assert [call["id"] or "" for call in reply.tool_calls] in (["a", "b"], ["", ""])


def test_two_calls_in_one_chunk_stay_two() -> None:
    parts = [fragment("ara", '{"x":1}', id="a"), fragment("ara", '{"y":2}', id="b")]
    assert names_and_arguments(streamed("async", {"tool_calls": parts})) == TWO_CALLS


def test_calls_that_end_with_stop_are_an_answer() -> None:
    reply = streamed("async", *calls(fragment("ara", "{}", id="a")), finish="stop")
    assert names_and_arguments(reply) == [("ara", "{}")]


@every_kind
def test_streamed_arguments_given_as_an_object_become_json_text(kind: str) -> None:
    reply = streamed(kind, *calls(fragment("ara", {"şehir": "İzmir"}, index=0, id="a")))
    assert names_and_arguments(reply) == [("ara", '{"şehir": "İzmir"}')]


SIGNATURE = {"google": {"thought_signature": "AbC"}}


@every_kind
def test_what_a_streamed_call_has_besides_is_kept(kind: str) -> None:
    reply = streamed(kind, *calls(fragment("ara", "{}", id="a"), {"extra_content": SIGNATURE}))
    assert reply.tool_calls[0]["extra_content"] == SIGNATURE


def test_a_custom_tools_input_is_put_together() -> None:
    reply = streamed(
        "async",
        *calls(
            {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}},
            {"index": 0, "custom": {"input": " 1"}},
        ),
    )
    assert reply.tool_calls == (
        {"id": "a", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}},
    )


@every_kind
def test_a_streamed_function_call_of_the_older_kind_is_an_answer(kind: str) -> None:
    parts: list[dict[str, Any]] = [
        {"function_call": {"name": "ara", "arguments": ""}},
        {"function_call": {"arguments": '{"x"'}},
        {"function_call": {"arguments": ":1}"}},
    ]
    reply = streamed(kind, *parts, finish="function_call")
    assert names_and_arguments(reply) == [("ara", '{"x":1}')]
    assert reply.message["function_call"] == {"name": "ara", "arguments": '{"x":1}'}


def answered(kind: str, **message: object) -> ChatReply:
    """The reply to a whole answer with this message."""
    body = completion(message={"role": "assistant", "content": None, **message})
    with wire(lambda peer: peer.say(http(json.dumps(body).encode()))) as server:
        with once(make_client(kind, server.base_url)) as chat:
            return chat.generate("Merhaba")


@every_kind
def test_whole_arguments_given_as_an_object_become_json_text(kind: str) -> None:
    reply = answered(kind, tool_calls=[fragment("ara", {"x": 1}, id="a", type="function")])
    assert names_and_arguments(reply) == [("ara", '{"x": 1}')]


@every_kind
def test_what_a_whole_call_has_besides_is_kept(kind: str) -> None:
    reply = answered(kind, tool_calls=[fragment("ara", "{}", id="a", extra_content=SIGNATURE)])
    assert reply.tool_calls[0]["extra_content"] == SIGNATURE


@every_kind
def test_a_function_call_of_the_older_kind_is_an_answer(kind: str) -> None:
    reply = answered(kind, function_call={"name": "ara", "arguments": "{}"}, tool_calls=None)
    assert names_and_arguments(reply) == [("ara", "{}")]


@every_kind
def test_a_custom_tools_input_is_an_answer(kind: str) -> None:
    call = {"id": "a", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    assert answered(kind, tool_calls=[call]).tool_calls == (call,)


def test_fragments_of_calls_come_together_beside_other_choices() -> None:
    def of(index: int, **delta: object) -> bytes:
        return event({"id": "1", "model": "m-1", "choices": [{"index": index, "delta": delta}]})

    script = sends(
        of(1, tool_calls=[fragment("yaz", '{"z":', index=0, id="c")]),
        of(0, tool_calls=[fragment("ara", '{"x"', index=0, id="a")]),
        of(1, tool_calls=[fragment(arguments="3}", index=0)]),
        of(0, tool_calls=[fragment(arguments=":1}", index=0)]),
        chunk(finish="tool_calls"),
        DONE,
    )
    with wire(script) as server, once(make_client("async", server.base_url)) as chat:
        stream = chat.stream("Merhaba")
        assert list(stream) == []
    assert names_and_arguments(stream.reply) == [("ara", '{"x":1}')]


def test_what_is_no_object_is_no_tool_call() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert read_tool_calls({"tool_calls": [None, 5, call]}) == (call,)
    assert read_tool_calls({"tool_calls": [None]}) == ()
