"""One choice of a streamed answer, put together from its deltas.

Not here: the chunks around it (chunks.py), tool calls (tool_calls.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from safechat.assistant import json_text
from safechat.call.fields import field, items_of, plain, text_of
from safechat.call.reply import text_in
from safechat.call.surrogates import Pieces, mended
from safechat.call.tool_calls import StreamedCalls

# A stream repeats these; everything else that is text comes in pieces.
_REPEATED = frozenset({"role", "id", "type", "index", "format", "name"})
_PARTS = frozenset({"text", "thinking"})  # Mistral's: docs.mistral.ai/capabilities/reasoning


class StreamedChoice:
    """What has come of one choice so far. `text` is that of its content, or of its sound."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.text = Pieces()
        self.finish_reason: str | None = None
        self._calls = StreamedCalls()
        self._deltas: dict[str, list[object]] = {}
        self._rest: dict[str, list[object]] = {}

    def add(self, choice: object) -> tuple[str, bool]:
        """The new text, and whether the choice brought anything at all: text, reasoning, an end. A whole
        message that comes first is the answer of a server that does not stream."""
        alive = False
        delta = field(choice, "delta")
        if delta is None and not self._deltas:
            delta = field(choice, "message")
        for name, value in items_of(delta):
            if not value:
                continue
            alive = alive or name != "role"
            if name == "tool_calls":
                self._calls.add(value)
            else:
                self._deltas.setdefault(name, []).append(value)
        piece = text_in(field(delta, "content")) or text_of(field(field(delta, "audio"), "transcript"))
        text = self.text.add(piece or "")
        for name, value in items_of(choice):
            if value and name not in ("index", "delta", "finish_reason"):
                self._rest.setdefault(name, []).append(value)
        if finish_reason := text_of(field(choice, "finish_reason")):
            self.finish_reason = finish_reason
            text += self.text.end()
        return text, alive or bool(finish_reason)

    def whole(self) -> dict[str, object]:
        """As the API gives it whole."""
        message = {"role": "assistant", "content": None, **_together(self._deltas)}
        if calls := self._calls.whole():
            message["tool_calls"] = calls
        rest = _together(self._rest)
        return {"index": self.index, "message": message, "finish_reason": self.finish_reason, **rest}


def _together(fields: Mapping[str, list[object]]) -> dict[str, object]:
    return {name: _joined(name, [plain(value) for value in values]) for name, values in fields.items()}


def _joined(name: str, values: list[object]) -> object:
    """The pieces of one field as one value: texts and lists one behind the other, dicts field by field."""
    if name == "arguments":
        return mended("".join(map(json_text, values)))
    if all(isinstance(value, str) for value in values):
        return values[-1] if name in _REPEATED else mended("".join(map(str, values)))
    if all(isinstance(value, Mapping) for value in values):
        return _together(_by_name(values))
    if any(isinstance(value, list) for value in values):
        return _joined_items(values)
    return values[-1]


def _by_name(values: list[object]) -> dict[str, list[object]]:
    fields: dict[str, list[object]] = {}
    for value in values:
        for name, item in items_of(value):
            if item is not None:
                fields.setdefault(name, []).append(item)
    return fields


def _joined_items(values: list[object]) -> list[object]:
    """Lists as one. Items that belong together, by their `index` or as parts of one text, become one."""
    groups: list[tuple[object, list[object]]] = []
    for value in values:
        for item in value if isinstance(value, list) else [{"type": "text", "text": value}]:
            index, kind = field(item, "index"), field(item, "type")
            key = (index, kind) if index is not None else kind if kind in _PARTS else None
            candidates = groups if index is not None else groups[-1:]
            group = next((items for known, items in candidates if known == key), None) if key else None
            if group is None:
                groups.append((key, [item]))
            else:
                group.append(item)
    return [_joined("", items) if len(items) > 1 else items[0] for _, items in groups]
