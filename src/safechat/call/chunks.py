"""Puts a streamed answer together, chunk by chunk.

What comes out is a completion as the API would have given it whole, so reply.py
reads both. Not here: waiting for chunks (layer.py), handing pieces on to the
caller (client/stream.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from safechat.call.reply import content_text, field, text_of
from safechat.errors import ChatError, MalformedReply, TruncatedReply
from safechat.messages import ChatRequest

_NO_STREAM = ("application/json", "text/html")


class Chunked:
    """What has come of one streamed answer so far."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._texts: list[str] = []
        self._undelivered = ""
        self._delivered = False
        self._refusals: list[str] = []
        self._tool_calls: dict[int, dict[str, str]] = {}
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._usage: object = None

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Raise MalformedReply for an answer that is no stream."""
        kind = headers.get("content-type", "")
        if kind.startswith(_NO_STREAM):
            raise MalformedReply(
                f"{self._request.model}: a stream was asked for, and {kind} came",
                status=200,
                request_id=headers.get("x-request-id"),
                model=self._request.model,
            )

    def add(self, chunk: object) -> bool:
        """Whether `chunk` brought anything."""
        self._model = text_of(field(chunk, "model")) or self._model
        usage = field(chunk, "usage")
        if usage is not None:
            self._usage = usage
        choice = _first(field(chunk, "choices"))
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
                partial_text=text,
                model=self._request.model,
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
        """`error`, for the stream that failed with it. Before the first piece another attempt can help;
        after it none can: the consumer has the beginning already."""
        if self._delivered:
            error.retryable = error.falls_back = False
        elif isinstance(error, TruncatedReply) and self._finish_reason is None:
            error.retryable = True
        return error

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


def _first(choices: object) -> object:
    """With n=2 the choices come in turns; ours is the one with index 0."""
    if not isinstance(choices, list | tuple):
        return None
    return next((choice for choice in choices if field(choice, "index") in (0, None)), None)
