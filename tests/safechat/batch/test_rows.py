"""The rows of a batch's input."""

from __future__ import annotations

import json

import pytest

from safechat.batch.rows import Row, read_rows


def rows(*lines: object) -> list[Row]:
    data = [line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines]
    return list(read_rows(data, "gpt-5-mini"))


def test_a_row_of_openais_batch_form() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Merhaba"}], "temperature": 0}
    (row,) = rows({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body})
    assert (row.id, row.model, row.messages, row.params) == ("a", "m", body["messages"], {"temperature": 0})


def test_what_only_the_server_knows_of_a_body_goes_into_the_extra_body() -> None:
    (row,) = rows({"custom_id": "a", "body": {"messages": [], "top_k": 3, "extra_body": {"min_p": 0.1}}})
    assert row.params == {"extra_body": {"top_k": 3, "min_p": 0.1}}


def test_a_prompt_and_its_parameters() -> None:
    (row,) = rows({"prompt": "Merhaba", "max_completion_tokens": 5})
    assert (row.messages, row.model, row.params) == ("Merhaba", "gpt-5-mini", {"max_completion_tokens": 5})


def test_without_a_custom_id_the_number_of_the_line_stands_for_it() -> None:
    assert [row.id for row in rows({"prompt": "a"}, b"\n", {"prompt": "b"})] == ["line-1", "line-3"]


def test_a_file_of_windows_begins_with_a_mark_and_ends_lines_with_two_characters() -> None:
    (row,) = rows(b'\xef\xbb\xbf{"prompt": "\xc4\xb0yi"}\r\n')
    assert row.messages == "İyi"


def test_a_body_that_says_not_to_stream_is_one_without_a_stream() -> None:
    assert rows({"prompt": "a", "stream": False})[0].params == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"prompt": "a"\n', "line 2: this is not JSON"),
        (b'{"prompt": "a", "temperature": NaN}\n', "line 2: this is not JSON: NaN"),
        (b"[" * 100_000 + b"\n", "line 2: this is "),
        (b'{"prompt": "\xff"}\n', "line 2: this is not JSON"),
        (["a"], "line 2: a row is a JSON object, not a list"),
        ({"custom_id": 7, "prompt": "a"}, "line 2: custom_id must be a text, not 7"),
        ({"custom_id": "\ud800", "prompt": "a"}, "line 2: custom_id holds half of a surrogate pair"),
        ({"custom_id": "a"}, "line 2: a row has a body, or a prompt, or messages"),
        ({"prompt": "a", "messages": []}, "line 2: a row has a body, or a prompt, or messages"),
        ({"body": {"messages": []}, "custom_ID": "a"}, "line 2: beside body there is custom_ID"),
        ({"body": []}, "line 2: body must be a JSON object"),
        ({"body": {"model": "m"}}, "line 2: body has no messages"),
        ({"url": "/v1/responses", "body": {"model": "m"}}, "line 2: body has no input"),
        (
            {"url": "/v1/responses", "body": {"input": "a", "background": True}},
            "line 2: background is not for",
        ),
        ({"url": "/v1/responses", "body": {"input": "a", "stream": True}}, "line 2: stream is not for"),
        ({"url": "/v1/embeddings", "body": {"messages": []}}, "line 2: only POST …/chat/completions"),
    ],
)
def test_a_line_that_is_no_row_is_named(line: object, words: str) -> None:
    with pytest.raises(ValueError, match="line 2") as raised:
        rows({"prompt": "a"}, line)
    assert str(raised.value).startswith(words)


def test_a_fingerprint_changes_with_what_is_asked_and_not_with_the_order_of_names() -> None:
    same, other, another_model = rows(
        {"prompt": "a", "seed": 1, "top_p": 1},
        {"top_p": 1, "seed": 2, "prompt": "a"},
        {"prompt": "a", "seed": 1, "top_p": 1, "model": "m"},
    )
    (reordered,) = rows({"top_p": 1, "seed": 1, "prompt": "a"})
    assert reordered.fingerprint() == same.fingerprint()
    assert len({row.fingerprint() for row in (same, other, another_model)}) == 3
