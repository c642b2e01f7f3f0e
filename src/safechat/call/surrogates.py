"""Text without halves of surrogate pairs: JSON can hold one, and no text that is sent or written can.

A server that cuts an emoji in two sends `\\ud83d` in one chunk and `\\ude00` in the next:
github.com/openai/openai-python/issues/1230, github.com/Kohaku-Lab/KohakuTerrarium/pull/48.
"""

from __future__ import annotations

import re

_HALF = re.compile("[\ud800-\udfff]")
_HALF_IN_JSON = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


class Pieces:
    """A text that comes in pieces. Half a pair at the end of one waits for the next."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._half = ""

    def add(self, piece: str) -> str:
        """The text that is whole now."""
        if self._half or not piece.isascii():
            piece = self._half + piece
            self._half = piece[-1:] if "\ud800" <= piece[-1:] <= "\udbff" else ""
            piece = mended(piece.removesuffix(self._half))
        if piece:
            self._texts.append(piece)
        return piece

    def end(self) -> str:
        """What is left: for half a pair whose other half never came, U+FFFD."""
        half, self._half = self._half, ""
        if half:
            self._texts.append(mended(half))
        return mended(half)

    def __str__(self) -> str:
        return "".join(self._texts)


def mended(text: str) -> str:
    """`text` with the two halves of a pair as one character; a lone half becomes U+FFFD."""
    if text.isascii() or _HALF.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def mended_all(value: object) -> object:
    """Decoded JSON, every text of it mended."""
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, list):
        return [mended_all(item) for item in value]
    if isinstance(value, dict):
        return {name: mended_all(item) for name, item in value.items()}
    return value


def may_hold_halves(body: bytes | bytearray) -> bool:
    """Whether decoding a JSON body can give a half: by an escape, or by bytes that are no UTF-8."""
    # Most bodies have neither byte, and to look for one takes a fortieth of the time of the pattern.
    return (b"\\" in body or b"\xed" in body) and _HALF_IN_JSON.search(body) is not None
