"""A sampling parameter that the model refuses is dropped once, remembered, and logged once."""

from __future__ import annotations

import json
import logging

import pytest

from clients import KINDS, make_client
from safechat import ChatClientWrapper, RequestRejected
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
