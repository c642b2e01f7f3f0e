"""Turkish order and comparison of texts, whatever the computer's locale is."""

from __future__ import annotations

import unicodedata

_ALPHABET = "abcçdefgğhıijklmnoöpqrsştuüvwxyz"
_RANKS = {letter: rank for rank, letter in enumerate(_ALPHABET)}
_LATIN = str.maketrans("ıçğöşü", "icgosu")


def fold(text: str) -> str:
    """The text for a comparison that ignores case: I is the capital of ı, İ that of i."""
    return unicodedata.normalize("NFC", text).replace("İ", "i").replace("I", "ı").casefold()


def latin(text: str) -> str:
    """The folded letters and digits without accents, as platforms write names: `yilmazayse`."""
    folded = unicodedata.normalize("NFD", fold(text).translate(_LATIN))
    return "".join(letter for letter in folded if letter.isalnum() and letter.isascii())


def sort_key(text: str) -> tuple[list[tuple[int, int]], str]:
    """For `sorted`: c ç, g ğ, ı i, o ö, s ş, u ü; other signs and digits come before letters."""
    ranks: list[tuple[int, int]] = []
    for letter in fold(text):
        base = letter if letter in _RANKS else unicodedata.normalize("NFD", letter)[0]
        ranks.append((1, _RANKS[base]) if base in _RANKS else (0, ord(letter)))
    return ranks, text
