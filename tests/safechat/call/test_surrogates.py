"""An emoji that a server cuts in two arrives whole; half of one reaches nobody."""

from __future__ import annotations

import json

import pytest

from clients import KINDS, make_client, once
from safechat.call.surrogates import Pieces, mended
from sse import DONE, ROLE, chunk, event, sends
from wire import http, wire

every_kind = pytest.mark.parametrize("kind", KINDS)
END = (chunk(finish="stop"), DONE)

# The pieces as they come, and as they are handed on.
PIECES: dict[str, tuple[list[str], list[str]]] = {
    "cut between two chunks": (["a\ud83d", "\ude00b"], ["a", "😀b"]),
    "nothing but the halves": (["\ud83d", "\ude00"], ["😀"]),
    "both halves as escapes of one chunk": (["\ud83d\ude00"], ["😀"]),
    "two emoji, cut twice": (["\ud83d", "\ude00\ud83d", "\ude01"], ["😀", "😁"]),
    "a first half alone": (["a\ud83d", "b"], ["a", "\ufffdb"]),
    "a second half alone": (["a\ude00", "b"], ["a\ufffd", "b"]),
    "a first half at the end": (["a", "\ud83d"], ["a", "\ufffd"]),
    "no half": (["ığ", "😀"], ["ığ", "😀"]),
}


@every_kind
@pytest.mark.parametrize("name", PIECES)
def test_pieces_are_handed_on_without_halves(kind: str, name: str) -> None:
    pieces, expected = PIECES[name]
    script = sends(ROLE, *(chunk(piece) for piece in pieces), *END)
    with wire(script) as server, once(make_client(kind, server.base_url)) as chat:
        stream = chat.stream("Merhaba")
        assert list(stream) == expected
    assert stream.reply.text == "".join(expected)


@every_kind
def test_a_half_in_a_whole_answer_is_replaced_everywhere(kind: str) -> None:
    message = {"role": "assistant", "content": "a\ud83d", "reasoning_content": "\ude00b"}
    body = json.dumps(
        {"id": "\ud83d", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    )
    with wire(lambda peer: peer.say(http(body.encode()))) as server:
        with once(make_client(kind, server.base_url)) as chat:
            reply = chat.generate("Merhaba")
    assert (reply.text, reply.reasoning) == ("a\ufffd", "\ufffdb")
    json.dumps(reply.raw, ensure_ascii=False).encode()
    json.dumps(reply.message, ensure_ascii=False).encode()


def test_a_half_in_bytes_that_are_no_utf8_is_replaced() -> None:
    body = b'{"choices": [{"message": {"content": "a\xed\xa0\xbd"}, "finish_reason": "stop"}]}'
    with wire(lambda peer: peer.say(http(body))) as server:
        with once(make_client("async", server.base_url)) as chat:
            assert chat.generate("Merhaba").text == "a\ufffd"


def test_whatever_else_a_stream_brings_is_put_together_without_halves() -> None:
    def thought(piece: str) -> bytes:
        return chunk(reasoning_content=piece)

    def argument(piece: str) -> bytes:
        return chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "ara", "arguments": piece}}])

    script = sends(thought("\ud83d"), thought("\ude00"), argument('"\ud83d'), argument('\ude00"'), *END)
    with wire(script) as server, once(make_client("async", server.base_url)) as chat:
        stream = chat.stream("Merhaba")
        assert list(stream) == []
    assert stream.reply.reasoning == "😀"
    assert stream.reply.tool_calls[0]["function"] == {"name": "ara", "arguments": '"😀"'}
    json.dumps(stream.reply.raw, ensure_ascii=False).encode()


def test_the_text_of_a_stream_that_breaks_off_holds_no_half() -> None:
    script = sends(ROLE, chunk("a\ud83d"), event({"error": {"message": "overloaded"}}))
    with wire(script) as server, once(make_client("async", server.base_url)) as chat:
        with pytest.raises(Exception, match="overloaded") as caught:
            list(chat.stream("Merhaba"))
    assert caught.value.partial_text == "a"


@pytest.mark.parametrize("name", PIECES)
def test_however_a_text_is_cut_its_pieces_give_the_same(name: str) -> None:
    text = "".join(PIECES[name][0])
    for cut in range(len(text) + 1):
        pieces = Pieces()
        handed_on = pieces.add(text[:cut]) + pieces.add(text[cut:]) + pieces.end()
        assert handed_on == str(pieces) == mended(text)
