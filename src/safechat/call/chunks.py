"""Puts a streamed answer together, chunk by chunk.

What comes out is a completion as the API would have given it whole, so reply.py
reads both. Not here: waiting for chunks (layer.py), handing pieces on to the
caller (client/stream.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from safechat.call.error_body import (
    broken_off,
    error_in_place_of_an_answer,
    error_within,
    implied_status,
    read_error_body,
)
from safechat.call.fields import field, text_of
from safechat.call.reply import content_text, read_usage
from safechat.errors import ChatError, MalformedReply, TruncatedReply
from safechat.messages import ChatRequest

_NO_STREAM = ("application/json", "text/html")


class Chunked:
    """What has come of one streamed answer so far."""

    def __init__(self, request: ChatRequest) -> None:
        self.headers: Mapping[str, str] = {}  # of the HTTP answer, in lower case
        self._request = request
        self._texts: list[str] = []
        self._undelivered = ""
        self._delivered = False
        self._refusals: list[str] = []
        self._tool_calls: dict[int, dict[str, str]] = {}
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._usage: object = None
        self._begun = False

    @property
    def finished(self) -> bool:
        """Whether a finish_reason has come: then what is missing is no part of the answer."""
        return self._finish_reason is not None

    def take_headers(self, headers: Mapping[str, str]) -> None:
        """Before the first chunk. Raises MalformedReply where they are not those of a stream."""
        self.headers = headers
        kind = headers.get("content-type", "")
        if kind.startswith(_NO_STREAM):
            raise MalformedReply(
                f"{self._request.model}: a stream was asked for, and {kind} came",
                status=200,
                request_id=headers.get("x-request-id"),
                model=self._request.model,
            )

    def add(self, chunk: object) -> bool:
        """Whether `chunk` brought anything. The first one that is a chunk is announced to `on_start`.

        Raises what an error in place of a chunk means.
        """
        self._raise_error_in(chunk)
        choices = field(chunk, "choices")
        if not self._begun and isinstance(choices, list | tuple):
            self._begun = True
            if self._request.on_start is not None:
                self._request.on_start(self.headers)
        self._model = text_of(field(chunk, "model")) or self._model
        usage = field(chunk, "usage")
        if usage is not None:
            self._usage = usage
        choice = _first(choices)
        if choice is None:
            return usage is not None
        finish_reason = text_of(field(choice, "finish_reason"))
        self._finish_reason = finish_reason or self._finish_reason
        delta = field(choice, "delta")
        piece = content_text(field(delta, "content"))
        refusal = text_of(field(delta, "refusal")) or ""
        self._texts.append(piece)
        self._undelivered += piece
        self._refusals.append(refusal)
        called = self._add_tool_calls(field(delta, "tool_calls"))
        return bool(piece or refusal or called or finish_reason or usage is not None)

    async def deliver(self) -> None:
        """Hand the new text on."""
        piece, self._undelivered = self._undelivered, ""
        if piece and self._request.on_piece is not None:
            self._delivered = True
            await self._request.on_piece(piece)

    def completion(self) -> Mapping[str, object]:
        """The whole. Raises TruncatedReply if the stream ended without a finish_reason."""
        text = "".join(self._texts)
        if self._finish_reason is None and self._request.strict_streams:
            raise TruncatedReply(
                f"{self._request.model}: the stream broke off after {len(text)} characters, without a "
                "finish_reason; strict_streams=False takes it for the end",
                status=200,
                request_id=self.headers.get("x-request-id"),
                model=self._request.model,
                usage=read_usage(self._usage),
                partial_text=text,
            )
        message = {
            "content": text,
            "refusal": "".join(self._refusals) or None,
            "tool_calls": [
                {
                    "id": call.get("id"),
                    "type": "function",
                    "function": {"name": call.get("name"), "arguments": call.get("arguments", "")},
                }
                for _, call in sorted(self._tool_calls.items())
            ],
        }
        choice = {"message": message, "finish_reason": self._finish_reason}
        return {"model": self._model, "choices": [choice], "usage": self._usage}

    def final(self, error: ChatError) -> ChatError:
        """`error`, for the stream that failed with it, with the text and the usage that had come.

        Before the first piece another attempt can help; after it none can: the consumer has the beginning
        already.
        """
        error.partial_text = error.partial_text or "".join(self._texts)
        error.usage = error.usage or read_usage(self._usage)
        if self._delivered:
            error.retryable = error.falls_back = False
        elif isinstance(error, TruncatedReply) and self._finish_reason is None:
            error.retryable = True
        return error

    def _raise_error_in(self, chunk: object) -> None:
        model = self._model or self._request.model
        request_id = self.headers.get("x-request-id")
        choices = field(chunk, "choices")
        if error_within(chunk) is not None or (not isinstance(choices, list | tuple) and _is_error(chunk)):
            raise error_in_place_of_an_answer(chunk, model, request_id)
        if (problem := error_within(_first(choices))) is not None:
            text = "".join(self._texts)
            raise broken_off(problem, model, request_id, usage=read_usage(self._usage), partial_text=text)

    def _add_tool_calls(self, deltas: object) -> bool:
        """Fragments of tool calls: the first names the function, the others bring its arguments."""
        if not isinstance(deltas, list | tuple):
            return False
        for delta in deltas:
            index = field(delta, "index")
            call = self._tool_calls.setdefault(index if isinstance(index, int) else 0, {})
            function = field(delta, "function")
            for name, value in (("id", field(delta, "id")), ("name", field(function, "name"))):
                if (text := text_of(value)) is not None:
                    call[name] = text
            call["arguments"] = call.get("arguments", "") + (text_of(field(function, "arguments")) or "")
        return bool(deltas)


def _is_error(event: object) -> bool:
    """An event that is no chunk may be a keep-alive in words: only what calls itself an error is one."""
    return field(event, "object") == "error" or implied_status(read_error_body(event)) is not None


def _first(choices: object) -> object:
    """With n=2 the choices come in turns; ours is the one with index 0."""
    if not isinstance(choices, list | tuple):
        return None
    return next((choice for choice in choices if field(choice, "index") in (0, None)), None)
