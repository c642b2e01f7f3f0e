"""A response is read as the same ChatReply, or the same error, as a chat completion that says the same."""

from __future__ import annotations

import pytest
from openai.types.responses import Response

from safechat import (
    BadReply,
    ChatError,
    ChatReply,
    ChatRequest,
    ContentFiltered,
    ContextTooLong,
    EmptyReply,
    MalformedReply,
    RateLimited,
    RefusedReply,
    RequestRejected,
    ServerError,
    TruncatedReply,
    Usage,
)
from safechat.call.reply import read_reply, with_whole_body
from safechat.call.responses import response_arguments
from safechat.call.responses_reply import as_completion
from wire import call_item, completion, reasoning_item, response, text_item

REQUEST = ChatRequest(({"role": "user", "content": "Merhaba"},), "gpt-5-mini", allow_truncated=False)
CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"a": 1}'}}


def read(body: object) -> ChatReply:
    said = as_completion(body, REQUEST, {})
    return with_whole_body(read_reply(said, REQUEST), said, body, decoded=False)


def test_text_usage_and_ids_are_those_of_a_completion() -> None:
    by_chat = with_whole_body(read_reply(completion(), REQUEST), completion(), completion(), decoded=False)
    by_response = read(response(text_item("Merhaba!"), id="chatcmpl-1"))
    assert by_response == by_chat
    assert by_response.usage == Usage(9, 5, 14, 2, 3)
    assert by_response.message == by_chat.message


def test_tool_calls_are_those_of_a_completion() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    body = completion(message=message, finish_reason="tool_calls")
    by_chat = with_whole_body(read_reply(body, REQUEST), body, body, decoded=False)
    by_response = read(response(call_item("call_1", "look_up", '{"a": 1}'), id="chatcmpl-1"))
    assert by_response == by_chat
    assert by_response.message == by_chat.message


def test_the_text_of_all_messages_is_one_text() -> None:
    assert read(response(text_item("Bak"), text_item("ıyorum."))).text == "Bakıyorum."


def test_an_object_of_the_sdk_is_read_like_its_json() -> None:
    body = response(text_item("Merhaba!"), call_item("call_1", "look_up", "{}"))
    assert read(Response.model_validate(body)) == read(body)


def test_reasoning_is_the_summary_or_the_content() -> None:
    summarised = reasoning_item(summary=["Önce", "sonra"])
    assert read(response(summarised, text_item("a"))).reasoning == "Önce\n\nsonra"
    spoken = reasoning_item(summary=[], content=[{"type": "reasoning_text", "text": "Hm."}])
    assert read(response(spoken, text_item("a"))).reasoning == "Hm."


def test_the_message_brings_encrypted_reasoning_along() -> None:
    output = [reasoning_item(encrypted_content="gAAA"), call_item("call_1", "look_up", "{}")]
    message = read(response(*output)).message
    assert message["tool_calls"]
    assert response_arguments([message], {})["input"] == output


def test_reasoning_that_nobody_has_kept_stays_away_with_the_ids_that_name_it() -> None:
    call = call_item("call_1", "look_up", "{}")
    message = read(response(reasoning_item(), call)).message
    del call["id"]
    assert response_arguments([message], {})["input"] == [call]


def test_reasoning_that_the_api_has_stored_goes_back_by_its_id() -> None:
    output = [reasoning_item(), call_item("call_1", "look_up", "{}")]
    message = read(response(*output)).message
    assert response_arguments([message], {"store": True})["input"] == output


def test_the_phase_of_a_message_goes_back() -> None:
    output = [text_item("Bakıyorum.", phase="commentary"), call_item("call_1", "look_up", "{}")]
    assert response_arguments([read(response(*output)).message], {})["input"] == output


REFUSAL = text_item("", content=[{"type": "refusal", "refusal": "Olmaz."}])


def cut_by(reason: str) -> dict[str, object]:
    return response(text_item("Yar"), status="incomplete", incomplete_details={"reason": reason})


@pytest.mark.parametrize(
    ("body", "expected", "partial"),
    [
        (
            cut_by("max_output_tokens"),
            TruncatedReply,
            "Yar",
        ),
        (
            cut_by("content_filter"),
            ContentFiltered,
            "Yar",
        ),
        (response(text_item("Yar"), status="incomplete", incomplete_details=None), BadReply, "Yar"),
        (response(text_item("Yar"), status="cancelled"), BadReply, "Yar"),
        (response(REFUSAL), RefusedReply, ""),
        (response(), EmptyReply, ""),
        (response(reasoning_item()), EmptyReply, ""),
        ({"object": "response", "output": None}, MalformedReply, ""),
        ([], MalformedReply, ""),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_answer_is_the_same_error(body: object, expected: type[ChatError], partial: str) -> None:
    with pytest.raises(expected) as caught:
        read(body)
    assert type(caught.value) is expected
    assert caught.value.partial_text == partial


def test_a_cut_answer_is_one_for_who_allows_it() -> None:
    body = cut_by("max_output_tokens")
    request = ChatRequest((), "m", allow_truncated=True)
    reply = read_reply(as_completion(body, request, {}), request)
    assert (reply.text, reply.finish_reason) == ("Yar", "length")


@pytest.mark.parametrize(
    ("code", "expected", "status"),
    [
        ("server_error", ServerError, 500),
        ("vector_store_timeout", ServerError, 500),
        ("rate_limit_exceeded", RateLimited, 429),
        ("invalid_prompt", ContentFiltered, 400),
        ("bio_policy", ContentFiltered, 400),
        ("image_content_policy_violation", ContentFiltered, 400),
        ("invalid_image_url", RequestRejected, 400),
        ("empty_image_file", RequestRejected, 400),
        ("data_residency_mismatch", RequestRejected, 400),
        ("failed_to_download_image", ServerError, 500),
        ("server_is_overloaded", ServerError, 500),  # github.com/XiaomiMiMo/MiMo-Code/issues/2083
        ("slow_down", ServerError, 500),
        ("too_many_requests", RateLimited, 429),
        ("context_length_exceeded", ContextTooLong, 400),
    ],
)
def test_a_failed_response_is_the_error_of_its_code(
    code: str, expected: type[ChatError], status: int
) -> None:
    error = {"code": code, "message": "oldu"}
    with pytest.raises(expected) as caught:
        read(response(text_item("Yar"), status="failed", error=error))
    assert type(caught.value) is expected
    assert (caught.value.status, caught.value.code) == (status, code)
    assert (caught.value.usage, caught.value.partial_text) == (Usage(9, 5, 14, 2, 3), "Yar")
