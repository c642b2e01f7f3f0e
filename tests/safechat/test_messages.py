"""Wrong input is refused before anything is sent, by an error that names the value; a reply is plain data."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from safechat import ChatClientWrapper, ChatReply, ChatRequest, Usage


class Recorder:
    """A client that counts its calls and answers."""

    def __init__(self) -> None:
        self.calls: list[dict[str, object]] = []
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self.create))

    def create(self, **arguments: object) -> object:
        self.calls.append(arguments)
        return {"choices": [{"message": {"content": "Merhaba!"}, "finish_reason": "stop"}]}


USER = {"role": "user", "content": "Merhaba"}

WRONG: list[tuple[Any, type[Exception], str]] = [
    (42, TypeError, "not int: 42"),
    (None, TypeError, "not NoneType: None"),
    (b"Merhaba", TypeError, "not bytes: b'Merhaba'"),
    (USER, TypeError, "not dict"),
    ("", ValueError, "the prompt is empty: ''"),
    ("  \n", ValueError, "the prompt is empty"),
    ([], ValueError, "empty list"),
    (["Merhaba"], TypeError, r"messages\[0\] must be a dict .* not str: 'Merhaba'"),
    ([USER, {"content": "x"}], ValueError, r"messages\[1\] has no role: {'content': 'x'}"),
    ([{"role": "user"}], ValueError, r"messages\[0\] has no content: {'role': 'user'}"),
    ([{"role": "user", "content": None}], ValueError, r"messages\[0\] has no content"),
    ([{"role": "kullanıcı", "content": "x"}], ValueError, "unknown role 'kullanıcı'"),
    ([{"role": "user", "content": 5}], TypeError, "content of int"),
    ([{"role": "user", "content": ""}], ValueError, r"messages\[0\] is from the user and empty"),
    ([{"role": "user", "content": []}], ValueError, "empty"),
    ("yarım \ud83d", ValueError, r"position 6"),
    ((message for message in [USER]), TypeError, "generator"),
]


@pytest.mark.parametrize(("messages", "kind", "words"), WRONG)
def test_wrong_messages_are_refused(messages: Any, kind: type[Exception], words: str) -> None:
    client = Recorder()
    with ChatClientWrapper(client) as chat, pytest.raises(kind, match=words):
        chat.generate(messages)
    assert client.calls == []


@pytest.mark.parametrize("name", ["timeout", "deadline"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "10", True])
def test_a_wrong_number_of_seconds_is_refused(name: str, seconds: Any) -> None:
    client = Recorder()
    kind = TypeError if isinstance(seconds, str | bool) else ValueError
    with pytest.raises(kind, match=name):
        ChatClientWrapper(client, **{name: seconds})
    with ChatClientWrapper(client) as chat, pytest.raises(kind, match=name):
        chat.generate("Merhaba", **{name: seconds})
    assert client.calls == []


@pytest.mark.parametrize(("model", "kind"), [("", ValueError), (5, TypeError)])
def test_a_wrong_model_is_refused(model: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="model"):
        ChatClientWrapper(Recorder(), model=model)
    with ChatClientWrapper(Recorder()) as chat, pytest.raises(kind, match="model"):
        chat.generate("Merhaba", model=model)


@pytest.mark.parametrize("client", ["sk-0123456789abcdef", None, SimpleNamespace(chat=None)])
def test_a_client_that_cannot_chat_is_refused_without_showing_it(client: object) -> None:
    with pytest.raises(TypeError, match=r"chat\.completions\.create") as caught:
        ChatClientWrapper(client)
    assert "sk-" not in str(caught.value)


def test_stream_is_not_for_generate() -> None:
    with ChatClientWrapper(Recorder()) as chat, pytest.raises(ValueError, match="stream"):
        chat.generate("Merhaba", stream=True)


RIGHT: list[Any] = [
    [USER],
    (USER,),
    [{"role": "system", "content": "Kısa yaz."}, USER],
    [{"role": "user", "content": [{"type": "text", "text": "Merhaba"}]}],
    [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
     {"role": "tool", "tool_call_id": "1", "content": ""}],
    "İğne ile kuyu kazmak 👋",
]  # fmt: skip


@pytest.mark.parametrize("messages", RIGHT)
def test_right_messages_reach_the_client_as_they_are(messages: Any) -> None:
    client = Recorder()
    with ChatClientWrapper(client) as chat:
        assert chat.generate(messages).text == "Merhaba!"
    expected = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    assert client.calls[0]["messages"] == expected


def test_parameters_reach_the_client_and_none_is_added() -> None:
    client = Recorder()
    with ChatClientWrapper(client, timeout=7) as chat:
        chat.generate("Merhaba", "gpt-4o", 0.2, max_completion_tokens=5)
        chat.generate("Merhaba")
    first, second = client.calls
    assert first["model"] == "gpt-4o"
    assert (first["temperature"], first["max_completion_tokens"], first["timeout"]) == (0.2, 5, 7.0)
    assert set(second) == {"model", "messages", "timeout"}
    assert second["model"] == "gpt-6.1-terra"


REPLIES = {
    "the shortest": ChatReply("Merhaba!", "m"),
    "all of it": ChatReply(
        "Merhaba!",
        "m",
        finish_reason="stop",
        usage=Usage(9, 5),
        tool_calls=({"id": "1", "type": "function", "function": {"name": "ara", "arguments": "{}"}},),
        headers={"x-request-id": "req_9"},
    ),
}

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("way", COPIES)
def test_a_reply_goes_through_pickle_and_copy(name: str, way: str) -> None:
    reply = REPLIES[name]
    copied = COPIES[way](reply)
    assert (copied, copied.headers) == (reply, reply.headers)


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_goes_through_asdict(name: str) -> None:
    fields = dataclasses.asdict(REPLIES[name])
    assert fields["text"] == "Merhaba!"
    assert fields["headers"] == dict(REPLIES[name].headers)


def test_a_request_goes_through_deepcopy_and_asdict() -> None:
    request = ChatRequest(({"role": "user", "content": "Merhaba"},), "m")
    assert copy.deepcopy(request) == request
    assert dataclasses.asdict(request)["params"] == {}


def test_an_answer_of_a_client_goes_through_pickle() -> None:
    with ChatClientWrapper(Recorder()) as chat:
        reply = chat.generate("Merhaba")
    assert pickle.loads(pickle.dumps(reply)) == reply
