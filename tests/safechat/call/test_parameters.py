"""A sampling parameter that the model refuses is dropped once, remembered, and logged once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest

from clients import KINDS, make_client
from safechat import ChatClientWrapper, ModelUnavailable, RequestRejected
from sse import DONE, ROLE, chunk, sends
from wire import Peer, completion, http, wire


def refusing(served: list[dict[str, object]], *refused: str, code: str = "unsupported_value") -> object:
    """An API that refuses `refused`, as reasoning models do."""

    def script(peer: Peer) -> None:
        for name in refused:
            if name in served[-1]:
                error = {"message": f"Unsupported value: '{name}'", "type": "invalid_request_error",
                         "param": name, "code": code}  # fmt: skip
                peer.say(http(json.dumps({"error": error}).encode(), status="400 Bad Request"))
                return
        peer.say(http(json.dumps(completion()).encode()))

    return script


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_temperature_is_dropped_and_remembered(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with wire(print) as server, caplog.at_level(logging.WARNING, "safechat"):
        server.script = refusing(server.requests, "temperature")  # type: ignore[assignment]
        with ChatClientWrapper(make_client(kind, server.base_url)) as chat:
            for _ in range(3):
                assert chat.generate("Merhaba", temperature=0.7).text == "Merhaba!"
            assert chat.generate("Merhaba", "gpt-4o", 0.7).text == "Merhaba!"
    assert ["temperature" in request for request in server.requests] == [
        True,
        False,
        False,
        False,
        True,
        False,
    ]
    dropped = [record for record in caplog.records if record.getMessage() == "chat.parameter_dropped"]
    assert [(record.model, record.parameter) for record in dropped] == [  # type: ignore[attr-defined]
        ("gpt-6.1-terra", "temperature"),
        ("gpt-4o", "temperature"),
    ]


def test_several_refused_parameters_go_one_after_another() -> None:
    with wire(print) as server:
        server.script = refusing(server.requests, "temperature", "top_p")  # type: ignore[assignment]
        with ChatClientWrapper(make_client("async", server.base_url)) as chat:
            chat.generate("Merhaba", temperature=0.7, top_p=0.9)
    assert len(server.requests) == 3
    assert not {"temperature", "top_p"} & set(server.requests[-1])


def test_max_tokens_goes_under_its_new_name() -> None:
    with wire(print) as server:
        script = refusing(server.requests, "max_tokens", code="unsupported_parameter")
        server.script = script  # type: ignore[assignment]
        with ChatClientWrapper(make_client("async", server.base_url)) as chat:
            chat.generate("Merhaba", max_tokens=50)
            chat.generate("Merhaba", max_tokens=60)
    assert [request.get("max_completion_tokens") for request in server.requests] == [None, 50, 60]
    assert "max_tokens" not in server.requests[-1]


@pytest.mark.parametrize("name", ["tools", "stop", "response_format"])
def test_a_parameter_that_changes_what_is_asked_for_is_never_dropped(name: str) -> None:
    with wire(print) as server:
        server.script = refusing(server.requests, name)  # type: ignore[assignment]
        with ChatClientWrapper(make_client("async", server.base_url)) as chat, pytest.raises(RequestRejected):
            chat.generate("Merhaba", **{name: ["x"]})  # type: ignore[arg-type]
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_misspelt_parameter_is_a_type_error_that_names_the_right_one(kind: str) -> None:
    with (
        ChatClientWrapper(make_client(kind)) as chat,
        pytest.raises(TypeError, match="did you mean 'temperature'"),
    ):
        chat.generate("Merhaba", tempurature=0.7)


# What servers answer to `stream_options`: a status, a body.
REFUSES_STREAM_OPTIONS: dict[str, tuple[str, dict[str, object]]] = {
    "Mistral": (
        "422 Unprocessable Entity",
        {"object": "error", "message": {"detail": [
            {"type": "extra_forbidden", "loc": ["body", "stream_options", "include_usage"],
             "msg": "Extra inputs are not permitted", "input": True}]},
         "type": "invalid_request_error", "param": None, "code": None},
    ),
    "FastAPI": (
        "422 Unprocessable Entity",
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"],
                     "msg": "Extra inputs are not permitted"}]},
    ),
    "Databricks": (
        "400 Bad Request",
        {"error_code": "BAD_REQUEST", "message": 'Bad request: json: unknown field "stream_options"\n'},
    ),
    "Azure": (
        "400 Bad Request",
        {"error": {"message": "Unrecognized request argument supplied: stream_options",
                   "type": "invalid_request_error", "param": None, "code": None}},
    ),
    "Azure, later": (
        "400 Bad Request",
        {"error": {"message": "Unknown parameter: 'stream_options'.", "type": "invalid_request_error",
                   "param": "stream_options", "code": "unknown_parameter"}},
    ),
}  # fmt: skip


def refusing_stream_options(
    served: list[dict[str, object]], status: str, body: dict[str, object]
) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        if "stream_options" in served[-1]:
            peer.say(http(json.dumps(body).encode(), status=status))
        else:
            sends(ROLE, chunk("Merhaba!"), chunk(finish="stop"), DONE)(peer)

    return script


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", REFUSES_STREAM_OPTIONS)
def test_stream_options_that_a_server_refuses_are_dropped_and_remembered(
    kind: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with wire(print) as server, caplog.at_level(logging.WARNING, "safechat"):
        server.script = refusing_stream_options(server.requests, *REFUSES_STREAM_OPTIONS[name])
        with ChatClientWrapper(make_client(kind, server.base_url)) as chat:
            assert [list(chat.stream("Merhaba")) for _ in range(2)] == [["Merhaba!"]] * 2
    assert ["stream_options" in request for request in server.requests] == [True, False, False]
    dropped = [record for record in caplog.records if record.getMessage() == "chat.parameter_dropped"]
    assert [record.parameter for record in dropped] == ["stream_options"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_the_caller_may_set_stream_options(kind: str) -> None:
    with wire(sends(ROLE, chunk("Merhaba!"), chunk(finish="stop"), DONE)) as server:
        with ChatClientWrapper(make_client(kind, server.base_url)) as chat:
            assert list(chat.stream("Merhaba", stream_options={"include_usage": False})) == ["Merhaba!"]
    assert server.requests[0]["stream_options"] == {"include_usage": False}


def test_stream_options_are_not_for_generate() -> None:
    with ChatClientWrapper(make_client("async")) as chat, pytest.raises(ValueError, match="stream_options"):
        chat.generate("Merhaba", stream_options={"include_usage": False})


def test_a_sampling_parameter_that_fastapi_forbids_is_dropped() -> None:
    problem = {"loc": ["body", "frequency_penalty"], "msg": "Extra inputs are not permitted"}

    def script(peer: Peer) -> None:
        if "frequency_penalty" in server.requests[-1]:
            peer.say(http(json.dumps({"detail": [problem]}).encode(), status="422 Unprocessable Entity"))
        else:
            peer.say(http(json.dumps(completion()).encode()))

    with wire(script) as server, ChatClientWrapper(make_client("async", server.base_url)) as chat:
        assert chat.generate("Merhaba", frequency_penalty=0.5).text == "Merhaba!"
    assert len(server.requests) == 2


# What OpenAI answers where a model takes tools only in another way, and what the error names.
WITHOUT_TOOLS = {
    "tools and reasoning": (
        "400 Bad Request",
        "Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. "
        "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
    ),
    "tools and reasoning, older words": (
        "400 Bad Request",
        "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. Please "
        "use /v1/responses instead.",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WITHOUT_TOOLS)
@pytest.mark.parametrize("params", [{}, {"reasoning_effort": "low"}], ids=["by default", "asked for"])
def test_a_model_that_takes_tools_only_without_reasoning_names_both_remedies(
    kind: str, name: str, params: dict[str, object]
) -> None:
    status, message = WITHOUT_TOOLS[name]
    error = {"message": message, "type": "invalid_request_error", "param": "reasoning_effort", "code": None}
    body = http(json.dumps({"error": error}).encode(), status=status)
    with wire(lambda peer: peer.say(body)) as server:
        with ChatClientWrapper(make_client(kind, server.base_url)) as chat:
            with pytest.raises(RequestRejected) as caught:
                chat.generate("Merhaba", tools=[], **params)  # type: ignore[arg-type]
    assert 'reasoning_effort="none"' in str(caught.value)
    assert "Responses API" in str(caught.value)
    assert len(server.requests) == 1


def test_a_model_of_the_responses_api_alone_names_the_remedies_and_falls_back() -> None:
    message = "This model is only supported in v1/responses and not in v1/chat/completions."
    error = {"message": message, "type": "invalid_request_error", "param": "model", "code": None}

    def script(peer: Peer) -> None:
        if server.requests[-1]["model"] == "o3-pro":
            peer.say(http(json.dumps({"error": error}).encode(), status="404 Not Found"))
        else:
            peer.say(http(json.dumps(completion()).encode()))

    with wire(script) as server:
        with ChatClientWrapper(make_client("async", server.base_url), fallbacks=["gpt-5-mini"]) as chat:
            assert chat.generate("Merhaba", "o3-pro").text == "Merhaba!"
        with ChatClientWrapper(make_client("async", server.base_url)) as chat:
            with pytest.raises(ModelUnavailable, match="for the Responses API"):
                chat.generate("Merhaba", "o3-pro")
