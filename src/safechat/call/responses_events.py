"""Puts a streamed response together, event by event.

What comes out is the response as the API would have given it whole. Not here: reading it
(responses_reply.py), what every stream has (streamed.py).

Source: https://developers.openai.com/api/docs/guides/streaming-responses, and openai.types.responses
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from safechat.call.error_body import error_within, error_without_status
from safechat.call.fields import field, plain, text_of
from safechat.call.responses_reply import failed_response
from safechat.call.streamed import Streamed
from safechat.call.surrogates import Pieces
from safechat.messages import ChatRequest

# The request was taken; of an answer they say nothing yet.
_BEFORE_THE_ANSWER = frozenset({"response.created", "response.queued", "response.in_progress"})
_ENDS = frozenset({"response.completed", "response.incomplete", "response.cancelled"})


class Events(Streamed):
    """The events of the Responses API. Text is handed on as it comes; reasoning, tool calls and the steps of
    hosted tools are signs of life."""

    ending = "response.completed"

    def __init__(self, request: ChatRequest) -> None:
        super().__init__(request)
        self._text = Pieces()
        self._characters_of_items = 0  # of the text, those whose items have come whole
        self._items: dict[int, object] = {}
        self._response: object = None
        self._finished = False

    @property
    def finished(self) -> bool:
        return self._finished

    @property
    def text(self) -> str:
        return str(self._text)

    def add(self, chunk: object) -> bool:
        kind = text_of(field(chunk, "type")) or ""
        if (response := field(chunk, "response")) is not None:
            self._response = response
            self._usage = field(response, "usage") or self._usage
        if kind == "response.failed":
            raise failed_response(response, self._request, self.headers)
        if kind == "error" or (not kind and error_within(chunk) is not None):
            model = text_of(field(self._response, "model")) or self._request.model
            raise error_without_status(chunk, model, self.headers)
        if not kind.startswith("response.") or kind in _BEFORE_THE_ANSWER:
            return False
        if not self._begun:
            self._begin()
        match kind:
            case "response.output_text.delta":
                self._undelivered += self._text.add(text_of(field(chunk, "delta")) or "")
            case "response.output_item.done":
                index = field(chunk, "output_index")
                self._items[index if isinstance(index, int) else len(self._items)] = field(chunk, "item")
                self._characters_of_items = len(self.text)
            case _ if kind in _ENDS:
                self._finished = True
                self._undelivered += self._text.end()
        return True

    def whole(self) -> Mapping[str, object]:
        """The last response that came. Where its output is missing, it is that of the events before."""
        self._check_end()
        response = plain(self._response)
        body = response if isinstance(response, dict) else {}
        ends = {} if self.finished else {"status": "completed"}
        return {**body, "output": body.get("output") or self._output(), **ends}

    def _output(self) -> list[object]:
        """The items that have come, and the text of one that has not come whole."""
        output = [plain(item) for _, item in sorted(self._items.items())]
        if text := self.text[self._characters_of_items :]:
            part = {"type": "output_text", "text": text}
            output.append({"type": "message", "role": "assistant", "content": [part]})
        return output


class PassedOnEvents(Events):
    """The same for a caller who wants the events themselves: each is handed on as JSON.

    Those before the answer wait for its beginning, so that until then another attempt can help.
    """

    def __init__(self, request: ChatRequest) -> None:
        super().__init__(request)
        self._waiting: list[object] = []

    def add(self, chunk: object) -> bool:
        alive = super().add(chunk)
        self._waiting.append(chunk)
        return alive

    async def deliver(self) -> None:
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            await self._hand_on(json.dumps(plain(event)))
