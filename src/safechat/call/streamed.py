"""Streamed: what the streams of both APIs have in common.

It hands the text on piece by piece, and knows what an error means for a stream that has begun. Not here: what
comes (chunks.py, responses_events.py), waiting for it (layer.py), handing pieces on to the caller
(client/stream.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from safechat.call.reply import read_usage
from safechat.errors import ChatError, MalformedReply, TruncatedReply
from safechat.log.call_record import call_record
from safechat.messages import ChatRequest


class Streamed(ABC):
    """What has come of one streamed answer so far."""

    ending: str  # what the end of a whole stream has

    def __init__(self, request: ChatRequest) -> None:
        self.headers: Mapping[str, str] = {}  # of the HTTP answer, in lower case
        self._request = request
        self._undelivered = ""
        self._delivered = False
        self._begun = False
        self._usage: object = None

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the end has come: then what is missing is no part of the answer."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The text so far."""

    @abstractmethod
    def add(self, chunk: object) -> bool:
        """Whether `chunk` brought anything. The first one that is a chunk is announced to `on_start`.

        Raises what an error in place of a chunk means.
        """

    @abstractmethod
    def whole(self) -> Mapping[str, object]:
        """The answer as the API would have given it whole. Raises TruncatedReply if the stream ended without
        its end."""

    def take_headers(self, headers: Mapping[str, str]) -> None:
        """Before the first chunk. Raises MalformedReply where they are not those of a stream."""
        self.headers = headers
        kind = headers.get("content-type", "")
        if kind.startswith("text/html"):
            raise MalformedReply(
                f"{self._request.model}: a stream was asked for, and {kind} came",
                status=200,
                request_id=headers.get("x-request-id"),
                model=self._request.model,
            )

    async def deliver(self) -> None:
        """Hand the new text on."""
        piece, self._undelivered = self._undelivered, ""
        if piece:
            await self._hand_on(piece)

    def final(self, error: ChatError) -> ChatError:
        """`error`, for the stream that failed with it, with the text, the usage and the id that had come.

        Before the first piece another attempt can help; after it none can: the consumer has the beginning
        already.
        """
        error.partial_text = error.partial_text or self.text
        error.usage = error.usage or read_usage(self._usage)
        error.request_id = error.request_id or self._request_id
        if self._delivered:
            error.retryable = error.falls_back = False
        elif isinstance(error, TruncatedReply) and not self.finished:
            error.retryable = True
        return error

    def _begin(self) -> None:
        """The first chunk of the answer is here."""
        self._begun = True
        if self._request.on_start is not None:
            self._request.on_start(self.headers)

    async def _hand_on(self, piece: str) -> None:
        if self._request.on_piece is None:
            return
        if not self._delivered:
            self._delivered = True
            with call_record() as record:
                record.piece_came()
        await self._request.on_piece(piece)

    def _check_end(self) -> None:
        if self.finished or not self._request.strict_streams:
            return
        raise TruncatedReply(
            f"{self._request.model}: the stream broke off after {len(self.text)} characters, without a "
            f"{self.ending}; strict_streams=False takes it for the end",
            status=200,
            request_id=self._request_id,
            model=self._request.model,
            usage=read_usage(self._usage),
            partial_text=self.text,
        )

    @property
    def _request_id(self) -> str | None:
        return self.headers.get("x-request-id")
