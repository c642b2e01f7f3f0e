"""Tool calls of an answer: read in one form, or put together from the fragments of a stream.

Not here: how they go back to the API (assistant.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from safechat.assistant import json_text
from safechat.call.fields import field, items_of, plain, text_of
from safechat.call.surrogates import Pieces

_TEXTS = {"function": "arguments", "custom": "input"}  # what a call of this kind says, beside its name
_OWN = frozenset({"index", "id", "type", *_TEXTS})


def as_tool_call(call: object) -> Mapping[str, object]:
    """One call of a whole answer as a dict, with its arguments as JSON text."""
    fields = call if isinstance(call, Mapping) else plain(call)
    if not isinstance(fields, Mapping):
        return {}
    function = fields.get("function")
    if not isinstance(function, Mapping) or isinstance(function.get("arguments"), str):
        return fields
    return {**fields, "function": {**function, "arguments": json_text(function.get("arguments"))}}


class StreamedCalls:
    """The tool calls of one streamed message.

    An `id` that is new begins a new call, also where `index` repeats
    (github.com/QuantumNous/new-api/pull/2701) or is missing (Gemini:
    github.com/open-webui/computer/issues/224).
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}

    def add(self, fragments: object) -> None:
        """The `tool_calls` of a delta: the first fragment of a call names it, the others bring its text."""
        for fragment in fragments if isinstance(fragments, list | tuple) else ():
            self._call_of(fragment).add(fragment)

    def whole(self) -> list[dict[str, object]]:
        """The calls, in the order of their index."""
        return [call.whole() for call in sorted(self._calls, key=lambda call: call.index)]

    def _call_of(self, fragment: object) -> _Call:
        index, call_id = field(fragment, "index"), text_of(field(fragment, "id")) or ""
        call = self._at.get(index) if isinstance(index, int) else next(reversed(self._calls), None)
        if call is not None and call_id and call.id and call.id != call_id:
            call = next((known for known in self._calls if known.id == call_id), None)
        elif call is not None and not (call_id and call.id) and call.is_followed_by(fragment):
            call = None
        if call is None:
            call = _Call(index if isinstance(index, int) else len(self._calls))
            self._calls.append(call)
        self._at[index if isinstance(index, int) else call.index] = call
        return call


class _Call:
    def __init__(self, index: int) -> None:
        self.index = index
        self.id = ""
        self._type = ""
        self._kind = "function"
        self._name = ""
        self._text = Pieces()
        self._rest: dict[str, object] = {}
        self._rest_of_kind: dict[str, object] = {}

    def add(self, fragment: object) -> None:
        """An empty id or name overwrites nothing: some servers repeat them so."""
        self.id = text_of(field(fragment, "id")) or self.id
        self._type = text_of(field(fragment, "type")) or self._type
        for kind, text in _TEXTS.items():
            if (said := field(fragment, kind)) is not None:
                self._kind = kind
                self._name = text_of(field(said, "name")) or self._name
                self._text.add(json_text(plain(field(said, text))))
                self._rest_of_kind |= _besides(said, ("name", text))
        self._rest |= _besides(fragment, _OWN)

    def is_followed_by(self, fragment: object) -> bool:
        """Whether a fragment without an id begins another call: it names one, and this one is whole."""
        function = field(fragment, "function")
        name, text = text_of(field(function, "name")), json_text(plain(field(function, "arguments")))
        if not name or not (text.strip() or name != self._name):
            return False
        try:
            json.loads(str(self._text))
        except ValueError:
            return False
        return True

    def whole(self) -> dict[str, object]:
        self._text.end()
        said = {"name": self._name or None, _TEXTS[self._kind]: str(self._text), **self._rest_of_kind}
        return {"id": self.id or None, "type": self._type or self._kind, self._kind: said, **self._rest}


def _besides(value: object, names: frozenset[str] | tuple[str, ...]) -> dict[str, object]:
    return {name: plain(item) for name, item in items_of(value) if name not in names and item is not None}
