"""generate(parse=Model): JSON that fits, or an error that says which field does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from clients import KINDS, make_client
from safechat import ChatClientWrapper, MalformedReply, RetryPolicy
from safechat.testing import ScriptedClient
from wire import completion, http, wire


class Fatura(BaseModel):
    no: int
    alici: str


GOOD = '{"no": 7, "alici": "Ayşe"}'


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_goes_out_and_an_object_comes_back(kind: str) -> None:
    with wire(lambda peer: peer.say(http(json.dumps(completion(GOOD)).encode()))) as server:
        with ChatClientWrapper(make_client(kind, server.base_url)) as chat:
            reply = chat.generate("Faturayı oku", parse=Fatura)
    assert reply.parsed == Fatura(no=7, alici="Ayşe")
    sent: Any = server.requests[0]["response_format"]
    assert (sent["type"], sent["json_schema"]["name"], sent["json_schema"]["strict"]) == (
        "json_schema",
        "Fatura",
        True,
    )
    assert sent["json_schema"]["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"no": "yedi", "alici": "A"}', "no: "),
        ('{"no": 7}', "alici: Field required"),
        ("Tabii! İşte:", "the whole: Invalid JSON"),
    ],
)
def test_an_answer_that_does_not_fit_names_the_field(text: str, words: str) -> None:
    with ChatClientWrapper(ScriptedClient(text), retry=RetryPolicy(attempts=1)) as chat:
        with pytest.raises(MalformedReply, match=words):
            chat.generate("Faturayı oku", parse=Fatura)


def test_an_answer_that_does_not_fit_is_asked_for_again() -> None:
    with ChatClientWrapper(ScriptedClient("{}", GOOD), retry=RetryPolicy(base=0.001)) as chat:
        reply = chat.generate("Faturayı oku", parse=Fatura)
    assert reply.parsed == Fatura(no=7, alici="Ayşe")
    assert reply.attempts == 2


def test_a_stream_is_parsed_at_its_end() -> None:
    with ChatClientWrapper(ScriptedClient(GOOD)) as chat:
        stream = chat.stream("Faturayı oku", parse=Fatura)
        assert "".join(stream) == GOOD
    assert stream.reply.parsed == Fatura(no=7, alici="Ayşe")


@pytest.mark.parametrize("wrong", [dict, "Fatura", Fatura(no=1, alici="a")])
def test_what_is_no_model_is_refused(wrong: Any) -> None:
    client = ScriptedClient("x")
    with ChatClientWrapper(client) as chat, pytest.raises(TypeError, match="parse must be a pydantic model"):
        chat.generate("Merhaba", parse=wrong)
    assert client.calls == []


def test_an_answer_that_calls_a_tool_first_is_no_error() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "ara", "arguments": "{}"}}
    body = json.dumps(
        completion(None, message={"role": "assistant", "content": None, "tool_calls": [call]})
    ).encode()
    with wire(lambda peer: peer.say(http(body))) as server:
        with ChatClientWrapper(make_client("async", server.base_url)) as chat:
            reply = chat.generate("Faturayı oku", parse=Fatura)
    assert reply.tool_calls == (call,)
    assert reply.parsed is None
    assert len(server.requests) == 1


def test_a_schema_that_no_answer_fits_opens_no_circuit() -> None:
    with ChatClientWrapper(ScriptedClient("{}"), retry=RetryPolicy(attempts=1)) as chat:
        for _ in range(10):
            with pytest.raises(MalformedReply):
                chat.generate("Faturayı oku", parse=Fatura)
        assert chat.generate("Merhaba").text == "{}"


FENCED = f"```json\n{GOOD}\n```"

WRAPPED: dict[str, str] = {
    "a fence": FENCED,
    "a fence without a language": f"```\n{GOOD}\n```",
    "a fence in one line": f"```json {GOOD}```",
    "a fence in capital letters": f"```JSON\n{GOOD}\n```",
    "words around a fence": f"Tabii! İşte:\n\n{FENCED}\n\nBaşka?",
    "the second of two fences": f"```python\nprint(1)\n```\n{FENCED}",
    "a fence that never ends": f"```json\n{GOOD}",
    "thoughts": f"<think>\nHımm {{}}\n</think>\n\n{GOOD}",
    "thoughts without their opening tag": f"Hımm\n</think>\n{GOOD}",
    "thoughts and a fence": f"<think>Hımm</think>\n{FENCED}",
    "a draft among the thoughts": f'<think>```json\n{{"no": 1, "alici": "X"}}\n```</think>{FENCED}',
    "white space": f"\n  {GOOD}\n",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WRAPPED)
def test_json_in_a_fence_or_behind_thoughts_is_parsed(kind: str, name: str) -> None:
    body = json.dumps(completion(WRAPPED[name])).encode()
    with wire(lambda peer: peer.say(http(body))) as server:
        with ChatClientWrapper(make_client(kind, server.base_url)) as chat:
            reply = chat.generate("Faturayı oku", parse=Fatura)
    assert reply.parsed == Fatura(no=7, alici="Ayşe")
    assert reply.text == WRAPPED[name]
    assert len(server.requests) == 1


@pytest.mark.parametrize("alici", ["```json\n{}\n```", "<think>x</think>", "a ``` b", "x</think>y"])
@pytest.mark.parametrize("fence", ["{}", "```json\n{}\n```"])
def test_json_that_quotes_fences_and_tags_is_parsed_as_it_is(alici: str, fence: str) -> None:
    text = fence.replace("{}", json.dumps({"no": 7, "alici": alici}))
    with ChatClientWrapper(ScriptedClient(text)) as chat:
        reply = chat.generate("Faturayı oku", parse=Fatura)
    assert reply.parsed == Fatura(no=7, alici=alici)


def test_the_error_for_json_in_a_fence_names_the_field() -> None:
    text = '```json\n{"no": "yedi", "alici": "A"}\n```'
    with ChatClientWrapper(ScriptedClient(text), retry=RetryPolicy(attempts=1)) as chat:
        with pytest.raises(MalformedReply, match="no: Input should be a valid integer"):
            chat.generate("Faturayı oku", parse=Fatura)
