"""A request in the form of the Responses API: parameters, messages, tools, and what has no counterpart."""

from __future__ import annotations

import inspect
from typing import Any, cast

import pytest
from openai.resources.responses import Responses
from openai.types.chat import ChatCompletionMessage
from openai.types.responses import response_create_params
from pydantic import BaseModel, TypeAdapter

from safechat.call.responses import check_counterparts, response_arguments
from safechat.call.schema import response_format
from safechat.call.sdk_parameters import PARAMETERS
from safechat.checks import check_messages

NAMES = frozenset(inspect.signature(Responses.create).parameters)
PROMPT = ({"role": "user", "content": "Merhaba"},)


class Bill(BaseModel):
    total: float


def arguments(messages: Any = PROMPT, **params: object) -> dict[str, Any]:
    return response_arguments(check_messages(messages), params)


def items(*messages: dict[str, Any], **params: object) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", arguments(list(messages), **params)["input"])


def test_nothing_is_stored_unless_the_caller_says_so() -> None:
    assert arguments() == {"store": False, "input": [{"role": "user", "content": "Merhaba"}]}
    assert arguments(store=True)["store"] is True


TOOL = {
    "type": "function",
    "function": {"name": "look_up", "description": "d", "parameters": {"type": "object"}},
}
GRAMMAR = {"syntax": "lark", "definition": "start: /a/"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_completion_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_tokens": 5}, {"max_output_tokens": 5}),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": {"type": "function", "name": "f"}},
        ),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {
                        "mode": "auto",
                        "tools": [{"type": "function", "function": {"name": "f"}}],
                    },
                }
            },
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "auto",
                    "tools": [{"type": "function", "name": "f"}],
                }
            },
        ),
        (
            {"tools": [TOOL, {"type": "web_search"}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "name": "look_up",
                        "description": "d",
                        "parameters": {"type": "object"},
                        "strict": False,
                    },
                    {"type": "web_search"},
                ]
            },
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "now", "strict": True}}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "name": "now",
                        "strict": True,
                        "parameters": {"type": "object", "properties": {}},
                    }
                ]
            },
        ),
        (
            {
                "tools": [
                    {
                        "type": "custom",
                        "custom": {"name": "c", "format": {"type": "grammar", "grammar": GRAMMAR}},
                    }
                ]
            },
            {"tools": [{"type": "custom", "name": "c", "format": {"type": "grammar", **GRAMMAR}}]},
        ),
        (
            {"metadata": {"a": "b"}, "temperature": 0.7, "user": "u", "service_tier": "flex"},
            {"metadata": {"a": "b"}, "temperature": 0.7, "user": "u", "service_tier": "flex"},
        ),
        (
            {"previous_response_id": "resp_1", "background": False, "include": ["x"], "max_output_tokens": 7},
            {"previous_response_id": "resp_1", "background": False, "include": ["x"], "max_output_tokens": 7},
        ),
        ({"stream_options": {"include_usage": True}}, {}),
        (
            {"stream_options": {"include_obfuscation": False}},
            {"stream_options": {"include_obfuscation": False}},
        ),
        ({"n": 1, "seed": None, "stop": None, "logprobs": False}, {}),
        ({"stop": [], "presence_penalty": 0.0, "frequency_penalty": 0, "logit_bias": {}}, {}),
        ({"reasoning_effort": None, "max_tokens": None, "response_format": None, "tools": None}, {}),
        ({"max_completion_tokens": None, "max_output_tokens": 7}, {"max_output_tokens": 7}),
    ],
    ids=str,
)  # fmt: skip
def test_a_parameter_has_its_name_and_its_place(given: dict[str, Any], expected: dict[str, Any]) -> None:
    body = arguments(**given)
    del body["store"], body["input"]
    assert body == expected


def test_the_schema_of_a_structured_answer_goes_into_text() -> None:
    body = arguments(response_format=response_format(Bill), verbosity="low")
    form = body["text"]["format"]
    assert (form["type"], form["name"], form["strict"]) == ("json_schema", "Bill", True)
    assert form["schema"]["required"] == ["total"]
    assert body["text"]["verbosity"] == "low"


def test_a_null_asks_for_what_its_absence_does() -> None:
    assert arguments(store=None, reasoning=None, reasoning_effort=None) == arguments()
    named = {"name": "f", "strict": None, "parameters": None}
    (tool,) = arguments(tools=[{"type": "function", "function": named}])["tools"]
    assert (tool["strict"], tool["parameters"]["type"]) == (False, "object")


def test_both_ways_to_speak_of_reasoning_go_together() -> None:
    body = arguments(reasoning={"summary": "auto"}, reasoning_effort="low")
    assert body["reasoning"] == {"summary": "auto", "effort": "low"}


def test_reasoning_that_is_not_stored_is_asked_for_encrypted() -> None:
    assert arguments(reasoning_effort="low")["include"] == ["reasoning.encrypted_content"]
    assert "include" not in arguments(reasoning_effort="low", store=True)
    assert arguments(reasoning_effort="low", include=["x"])["include"] == ["x"]
    assert "include" not in arguments()


def test_the_parts_of_a_message_have_their_own_names() -> None:
    (item,) = items(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Ne var?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                {"type": "file", "file": {"file_id": "file_1", "filename": "a.pdf"}},
                {"type": "input_text", "text": "already"},
            ],
        }
    )
    assert item["content"] == [
        {"type": "input_text", "text": "Ne var?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
        {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"},
        {"type": "input_file", "file_id": "file_1", "filename": "a.pdf"},
        {"type": "input_text", "text": "already"},
    ]


def test_a_conversation_with_tools_becomes_items() -> None:
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"a": 1}'}},
        {"id": "call_2", "type": "custom", "custom": {"name": "code", "input": "x"}},
    ]
    assert items(
        {"role": "developer", "content": "Kısa."},
        {"role": "assistant", "content": "Bakıyorum.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "name": "look_up", "content": "42"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "y"}]},
        {"role": "assistant", "content": None, "refusal": "Olmaz."},
    ) == [
        {"role": "developer", "content": "Kısa."},
        {"role": "assistant", "content": "Bakıyorum."},
        {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": '{"a": 1}'},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "code", "input": "x"},
        {"type": "function_call_output", "call_id": "call_1", "output": "42"},
        {
            "type": "custom_tool_call_output",
            "call_id": "call_2",
            "output": [{"type": "input_text", "text": "y"}],
        },
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "Olmaz."}]},
    ]  # fmt: skip


def test_a_refusal_beside_a_text_is_kept() -> None:
    assert items({"role": "assistant", "content": "Evet.", "refusal": "Olmaz."}) == [
        {"role": "assistant", "content": "Evet."},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "Olmaz."}]},
    ]


def test_objects_of_the_sdk_may_stand_in_a_message() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = ChatCompletionMessage.model_validate({"role": "assistant", "tool_calls": [call]})
    assert items({"role": "assistant", "content": None, "tool_calls": message.tool_calls}) == [
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    ]


def test_an_assistants_parts_are_output() -> None:
    (item,) = items({"role": "assistant", "content": [{"type": "text", "text": "Evet."}]})
    assert item["content"] == [{"type": "output_text", "text": "Evet."}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stop", ["."]), ("seed", 7), ("n", 2), ("logit_bias", {"1": 1}), ("logprobs", True),
        ("presence_penalty", 0.5), ("frequency_penalty", 0.5), ("functions", [{"name": "f"}]),
        ("function_call", "auto"), ("prediction", {}), ("audio", {"voice": "a"}), ("modalities", ["audio"]),
        ("web_search_options", {}),
    ],
)  # fmt: skip
def test_a_parameter_without_counterpart_is_named(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"no counterpart for '{name}'"):
        check_counterparts(PROMPT, {name: value})


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"role": "user", "name": "ayşe", "content": "a"}, "name"),
        ({"role": "function", "name": "f", "content": "a"}, "function"),
        ({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}, "function_call"),
        ({"role": "assistant", "audio": {"id": "audio_1"}}, "audio"),
    ],
)
def test_a_message_without_counterpart_is_named(message: dict[str, object], named: str) -> None:
    with pytest.raises(TypeError, match=rf"messages\[0\].*'{named}'"):
        check_counterparts([message], {})


def test_a_background_response_is_refused_and_its_absence_is_not() -> None:
    check_counterparts(PROMPT, {"background": False})
    with pytest.raises(ValueError, match="background"):
        check_counterparts(PROMPT, {"background": True})


def test_every_parameter_of_chat_completions_is_translated_or_refused() -> None:
    for name in PARAMETERS:
        try:
            check_counterparts(PROMPT, {name: "x"})
        except TypeError:
            continue
        assert arguments(**{name: "x"}).keys() <= NAMES, name


def test_what_is_sent_has_the_types_of_the_sdk() -> None:
    body = arguments(
        [
            {"role": "system", "content": "Kısa."},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a"}}]},
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ],
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "look_up"}},
        response_format=response_format(Bill),
        reasoning_effort="low",
        max_completion_tokens=100,
    )
    TypeAdapter(response_create_params.ResponseCreateParamsNonStreaming).validate_python(
        {**body, "model": "m"}
    )
