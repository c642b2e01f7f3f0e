"""Puts a streamed answer together, chunk by chunk.

What comes out is a completion as the API would have given it whole, so reply.py
reads both. Not here: one choice and its deltas (choice.py), waiting for chunks (layer.py),
handing pieces on to the caller (client/stream.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from safechat.call.choice import StreamedChoice
from safechat.call.error_body import (
    broken_off,
    error_in_place_of_an_answer,
    error_within,
    implied_status,
    read_error_body,
)
from safechat.call.fields import field, items_of, plain, text_of
from safechat.call.reply import read_usage
from safechat.errors import ChatError, MalformedReply, TruncatedReply
from safechat.log.call_record import call_record
from safechat.messages import ChatRequest

_NO_STREAM = ("application/json", "text/html")


class Chunked:
    """What has come of one streamed answer so far. With n=2 the choices come in turns; the one with index 0
    is handed on piece by piece."""

    def __init__(self, request: ChatRequest) -> None:
        self.headers: Mapping[str, str] = {}  # of the HTTP answer, in lower case
        self._request = request
        self._first = StreamedChoice(0)
        self._choices = {0: self._first}
        self._undelivered = ""
        self._delivered = False
        self._fields: dict[str, object] = {}
        self._usage: object = None
        self._begun = False

    @property
    def finished(self) -> bool:
        """Whether a finish_reason has come: then what is missing is no part of the answer."""
        return self._first.finish_reason is not None

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
        if not isinstance(choices, list | tuple):
            choices = ()
        elif not self._begun:
            self._begun = True
            if self._request.on_start is not None:
                self._request.on_start(self.headers)
        for name, value in items_of(chunk):
            if value and name != "choices":
                self._fields[name] = value
        alive = False
        if (usage := field(chunk, "usage")) is not None:
            self._usage = usage
            alive = True
        for choice in choices:
            index = field(choice, "index")
            index = index if isinstance(index, int) else 0
            streamed = self._choices.setdefault(index, self._first if index == 0 else StreamedChoice(index))
            text, brought = streamed.add(choice)
            alive = alive or brought
            if streamed is self._first:
                self._undelivered += text
        return alive

    async def deliver(self) -> None:
        """Hand the new text on."""
        piece, self._undelivered = self._undelivered, ""
        if piece and self._request.on_piece is not None:
            if not self._delivered:
                self._delivered = True
                with call_record() as record:
                    record.piece_came()
            await self._request.on_piece(piece)

    def completion(self) -> Mapping[str, object]:
        """The whole. Raises TruncatedReply if the stream ended without a finish_reason."""
        if not self.finished and self._request.strict_streams:
            text = str(self._first.text)
            raise TruncatedReply(
                f"{self._request.model}: the stream broke off after {len(text)} characters, without a "
                "finish_reason; strict_streams=False takes it for the end",
                status=200,
                request_id=self._request_id,
                model=self._request.model,
                usage=read_usage(self._usage),
                partial_text=text,
            )
        choices = [choice.whole() for _, choice in sorted(self._choices.items())]
        fields = {name: plain(value) for name, value in self._fields.items()}
        return {**fields, "object": "chat.completion", "choices": choices, "usage": plain(self._usage)}

    def final(self, error: ChatError) -> ChatError:
        """`error`, for the stream that failed with it, with the text and the usage that had come.

        Before the first piece another attempt can help; after it none can: the consumer has the beginning
        already.
        """
        error.partial_text = error.partial_text or str(self._first.text)
        error.usage = error.usage or read_usage(self._usage)
        if self._delivered:
            error.retryable = error.falls_back = False
        elif isinstance(error, TruncatedReply) and not self.finished:
            error.retryable = True
        return error

    def _raise_error_in(self, chunk: object) -> None:
        choices = field(chunk, "choices")
        if error_within(chunk) is not None or (not isinstance(choices, list | tuple) and _is_error(chunk)):
            raise error_in_place_of_an_answer(chunk, self._model, self._request_id)
        for choice in choices if isinstance(choices, list | tuple) else ():
            if (problem := error_within(choice)) is not None:
                text, usage = str(self._first.text), read_usage(self._usage)
                raise broken_off(problem, self._model, self._request_id, usage=usage, partial_text=text)

    @property
    def _model(self) -> str:
        return text_of(self._fields.get("model")) or self._request.model

    @property
    def _request_id(self) -> str | None:
        return self.headers.get("x-request-id")


def _is_error(event: object) -> bool:
    """An event that is no chunk may be a keep-alive in words: only what calls itself an error is one."""
    return field(event, "object") == "error" or implied_status(read_error_body(event)) is not None
