"""Without content=True no prompt and no answer reaches a log, or a span, through the words of an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel, ConfigDict, field_validator

from clients import KEY
from safechat import (
    ChatClientWrapper,
    ChatError,
    ChatRequest,
    RefusedReply,
    RetryPolicy,
    configure_logging,
)
from safechat.call import pool
from safechat.deadline import deadline_exceeded
from safechat.log.call_record import CallRecord
from safechat.log.layer import Logged
from safechat.log.quotes import HIDDEN, error_text, without_quotations
from safechat.telemetry import Telemetry
from safechat.testing import ScriptedClient, ScriptedHandler
from wire import completion, http, wire

PROMPT = "Hastanın adı Zeynep Kaya, tanısı kronik böbrek yetmezliği; dosya 4711042"
ANSWER = "Bu konuda yardımcı olamam, çünkü hasta bilgisi gizlidir"
TELLING = ("Zeynep", "böbrek", "4711042", "yardımcı", "gizlidir", "b\\u00f6brek")


class City(BaseModel):
    model_config = ConfigDict(extra="forbid")
    population_count: int
    name: str

    @field_validator("name")
    @classmethod
    def _refuse(cls, value: str) -> str:
        raise ValueError(f"{value} is no city")


def refusal() -> dict[str, Any]:
    answer: dict[str, Any] = completion()
    answer["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": ANSWER}
    return answer


def misfit() -> dict[str, Any]:
    text = json.dumps({"population_count": "many", "name": ANSWER, ANSWER: 1}, ensure_ascii=False)
    answer: dict[str, Any] = completion()
    answer["choices"][0]["message"]["content"] = text
    return answer


VLLM = {
    "object": "error",
    "message": "[{'type': 'missing', 'loc': ('body', 'model'), 'msg': 'Field required', "
    f"'input': {{'messages': [{{'role': 'user', 'content': {PROMPT!r}}}]}}}}]",
    "type": "BadRequestError",
    "code": 400,
}
QUOTING = [
    pytest.param(200, refusal(), {}, "the model declined", id="a refusal"),
    pytest.param(200, misfit(), {"parse": City}, "population_count: Input should be", id="a schema misfit"),
    pytest.param(200, ANSWER, {}, "not JSON", id="a body that is not JSON"),
    pytest.param(200, {ANSWER: 1}, {}, "no chat completion", id="an object that is no completion"),
    pytest.param(200, {"error": {"code": "x", "text": ANSWER}}, {}, "holds an error", id="no words"),
    pytest.param(400, VLLM, {}, "Field required", id="vLLM's echo"),
    pytest.param(400, {"error": {"message": f"Invalid: {PROMPT[:40]}"}}, {}, "Invalid", id="an echo"),
    pytest.param(
        400, {"error": {"message": f"Invalid: {json.dumps(PROMPT)}"}}, {}, "Invalid", id="an escaped echo"
    ),
    pytest.param(422, {"detail": f"bad value '{PROMPT.upper()}'"}, {}, "bad value", id="an echo in capitals"),
]  # fmt: skip


def logged(path: Path, status: int, body: object, options: dict[str, Any], *, content: bool) -> str:
    """The log of a call that fails."""
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return logged_bytes(path, http(data, status=f"{status} X"), options, content=content)


def logged_bytes(path: Path, data: bytes, options: dict[str, Any], *, content: bool) -> str:
    """The log of a call that fails, because the server says this."""
    with (
        wire(lambda peer: peer.say(data)) as server,
        configure_logging(path, content=content),
        ChatClientWrapper(
            openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url), retry=RetryPolicy(attempts=1)
        ) as chat,
        pytest.raises(ChatError),
    ):
        chat.generate(PROMPT, **options)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("status", "body", "options", "ours"), QUOTING)
def test_an_error_that_quotes_is_logged_without_what_it_quotes(
    status: int, body: object, options: dict[str, Any], ours: str, tmp_path: Path
) -> None:
    text = logged(tmp_path / "chat.log", status, body, options, content=False)
    assert not [word for word in TELLING if word.casefold() in text.casefold()]
    assert ours in text


@pytest.mark.parametrize("transport", ["aiohttp", "httpx2"])
@pytest.mark.parametrize("answer", ["gizlidir yanit", "gizlidir 'yanit'", "gizlidir 'yanit\" ve"])
def test_bytes_that_a_library_shows_of_an_answer_are_not_logged(
    transport: str, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if transport == "httpx2":
        monkeypatch.setattr(pool, "find_spec", lambda _: None)
    data = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + answer.encode() + b"\r\n\r\n"
    text = logged_bytes(tmp_path / "chat.log", data, {}, content=False)
    assert "chunk" in text
    assert "gizlidir" not in text
    assert "yanit" not in text


def test_with_content_an_error_is_logged_whole(tmp_path: Path) -> None:
    assert "yardımcı olamam" in logged(tmp_path / "chat.log", 200, refusal(), {}, content=True)


def test_the_error_that_is_raised_is_whole() -> None:
    with ChatClientWrapper(ScriptedClient(ChatError(f"a: {PROMPT}"))) as chat:
        with pytest.raises(ChatError, match="Zeynep Kaya"):
            chat.generate(PROMPT)


def test_an_error_that_ends_with_the_words_of_a_failure_quotes_no_answer() -> None:
    record = CallRecord(began=0.0)
    record.add(RefusedReply(f"a: the model declined: {ANSWER}", quoted=(ANSWER,)))
    request = ChatRequest(({"role": "user", "content": PROMPT},), "a", deadline=1.0)
    error = deadline_exceeded(request, record, asked=True)
    assert ANSWER in str(error)
    assert error_text(error, request).endswith("before that: a: the model declined: […]")


def test_an_unexpected_exception_quotes_neither(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    with configure_logging(path), ChatClientWrapper(ScriptedClient(ValueError(PROMPT))) as chat:
        with pytest.raises(Exception, match="Zeynep"):
            chat.generate(PROMPT)
    assert "Zeynep" not in path.read_text(encoding="utf-8")


async def test_a_span_has_no_quotation_either() -> None:
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = Telemetry(tracers)
    try:
        layers = telemetry.traced(Logged(ScriptedHandler(ChatError(f"a: bad value: {PROMPT}"))))
        with pytest.raises(ChatError):
            await layers(ChatRequest(({"role": "user", "content": PROMPT},), "a"))
    finally:
        telemetry.close()
    text = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "a: bad value: […]" in json.loads(text)["status"]["description"]
    assert "Zeynep" not in text


@pytest.mark.parametrize(
    "text",
    [
        "m: 429 rate_limit_exceeded: Rate limit reached for m: Limit 30000, Used 29000, Requested 1500",
        "m: 400: This model's maximum context length is 8192 tokens; you asked for 9000",
    ],
)
def test_what_an_api_says_of_itself_is_left_alone(text: str) -> None:
    assert without_quotations(text, [PROMPT]) == text


def test_what_is_left_of_a_quotation_says_that_there_was_one() -> None:
    text = "Invalid text 'one two three, four' here"
    assert without_quotations(text, ["zero one two three four five"]) == f"Invalid text '{HIDDEN}' here"


def test_a_short_prompt_is_hidden_word_by_word() -> None:
    assert without_quotations("cannot use 'gizli'", ["gizli"], ["gizli"]) == f"cannot use '{HIDDEN}'"
