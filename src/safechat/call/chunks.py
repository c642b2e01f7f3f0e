"""Puts a streamed answer together, chunk by chunk.

What comes out is a completion as the API would have given it whole, so reply.py
reads both. Not here: one choice and its deltas (choice.py), what every stream has (streamed.py), waiting for
chunks (layer.py).
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
from safechat.call.streamed import Streamed
from safechat.messages import ChatRequest


class Chunked(Streamed):
    """The chunks of Chat Completions. With n=2 the choices come in turns; the one with index 0 is handed on
    piece by piece."""

    ending = "finish_reason"

    def __init__(self, request: ChatRequest) -> None:
        super().__init__(request)
        self._first = StreamedChoice(0)
        self._choices = {0: self._first}
        self._fields: dict[str, object] = {}

    @property
    def finished(self) -> bool:
        return self._first.finish_reason is not None

    @property
    def text(self) -> str:
        return str(self._first.text)

    def add(self, chunk: object) -> bool:
        self._raise_error_in(chunk)
        choices = field(chunk, "choices")
        if not isinstance(choices, list | tuple):
            choices = ()
        elif not self._begun:
            self._begin()
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

    def whole(self) -> Mapping[str, object]:
        self._check_end()
        choices = [choice.whole() for _, choice in sorted(self._choices.items())]
        fields = {name: plain(value) for name, value in self._fields.items()}
        return {**fields, "object": "chat.completion", "choices": choices, "usage": plain(self._usage)}

    def _raise_error_in(self, chunk: object) -> None:
        choices = field(chunk, "choices")
        if error_within(chunk) is not None or (not isinstance(choices, list | tuple) and _is_error(chunk)):
            raise error_in_place_of_an_answer(chunk, self._model, self._request_id)
        for choice in choices if isinstance(choices, list | tuple) else ():
            if (problem := error_within(choice)) is not None:
                text, usage = self.text, read_usage(self._usage)
                raise broken_off(problem, self._model, self._request_id, usage=usage, partial_text=text)

    @property
    def _model(self) -> str:
        return text_of(self._fields.get("model")) or self._request.model


def _is_error(event: object) -> bool:
    """An event that is no chunk may be a keep-alive in words: only what calls itself an error is one."""
    return field(event, "object") == "error" or implied_status(read_error_body(event)) is not None
