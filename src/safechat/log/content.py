"""Prompts and answers in the log: only if an open log wants them, cut to a length, personal data masked.

Masked are e-mail addresses, telephone numbers, IBANs, payment cards and T.C. kimlik
numbers. Where such a number has a checksum it must hold (python-stdnum, extra
`[content]`), so that an order number is left alone; without that package, all
that has the shape is masked. Names and addresses are not masked: they have no shape.
Not here: secrets, which every line is searched for (redact.py of the package).
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable
from functools import lru_cache

from safechat.messages import Message
from safechat.redact import redacted_start

LENGTH = 1000  # characters of a prompt or an answer

# The open logs that want prompts and answers. A log adds itself, and takes itself out when it is closed.
logs_with_content: weakref.WeakSet[object] = weakref.WeakSet()

_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]){11,30}", re.I)
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")
_TCKN = re.compile(r"(?<!\d)[1-9]\d{10}(?!\d)")
_PHONE = re.compile(
    r"(?<!\d)\+\d{1,3}(?:[ .-]?\(?\d{2,4}\)?){2,4}(?!\d)"  # with a country code
    # In Türkiye: 0532 123 45 67, 0(212) 1234567, (0532)…, 0090 532…, 90-532…, 0850 222 0 600
    r"|(?<![\d+])(?:(?:\+|00)?90[ ./-]{0,2}\(?0?|\(?0[ ./-]?\(?)[2-58]\d{2}\)?(?:[ ./-]{0,2}\d){7}(?!\d)"
    r"|(?<![\d.,+])\(?5[0-5]\d\)?(?:[ ./-]?\d){7}(?!\d)"  # a mobile without the 0
    r"|(?<!\d)444(?:[ .-]\d[ .-]?|\d[ .-])\d{3}(?!\d)"  # 444 0 123
)
_PERSONAL = (_EMAIL, _IBAN, _CARD, _TCKN, _PHONE)

# Characters of the shortest number of each kind: Norway's IBAN, a card, a kimlik number.
_SHORTEST_IBAN = 15
_SHORTEST = {"iban": _SHORTEST_IBAN, "card": 13, "tckn": 11}

Valid = Callable[[str], bool]


def wants_content() -> bool:
    """Whether any open log wants prompts and answers."""
    return bool(logs_with_content)


def logged_prompt(messages: Iterable[Message]) -> str:
    """The texts of the messages, each after its role."""
    return logged_text(
        "\n".join(f"{message.get('role')}: {_text_in(message.get('content'))}" for message in messages)
    )


def logged_text(text: str) -> str:
    """About the first LENGTH characters of `text`, without secrets, and with personal data masked.

    Secrets go first, for masking part of one would hide it. Neither is cut in two.
    """
    start = masked(redacted_start(text, LENGTH, also=_PERSONAL))
    return start if len(text) <= LENGTH else f"{start}… ({len(text)} characters)"


def masked(text: str) -> str:
    """`text` with [email], [iban], [card], [tckn] and [phone] in place of such data."""
    iban, card, tckn = _validators()
    text = _EMAIL.sub("[email]", text)
    for pattern, name, valid in ((_IBAN, "iban", iban), (_CARD, "card", card), (_TCKN, "tckn", tckn)):
        text = pattern.sub(lambda match, name=name, valid=valid: _mask(match, name, valid), text)  # type: ignore[misc]
    return _PHONE.sub("[phone]", text)


def _mask(match: re.Match[str], name: str, valid: Valid) -> str:
    """The match with the number in it masked. Words or other digits may follow it, or stand before it."""
    text = match[0]
    starts = [0, *(gap.end() for gap in re.finditer(r"[ -]", text))] if name == "card" else [0]
    ends = [*(gap.start() for gap in re.finditer(r"[ -]", text)), len(text)]
    if name == "iban":  # text may follow without a space
        ends = list(range(_SHORTEST_IBAN, len(text) + 1))
    for start in starts:
        for end in reversed(ends):
            number = text[start:end]
            long_enough = sum(map(str.isalnum, number)) >= _SHORTEST[name]
            if long_enough and number[-1].isalnum() and valid(number):
                return f"{text[:start]}[{name}]{text[end:]}"
    return text


@lru_cache(maxsize=1)
def _validators() -> tuple[Valid, Valid, Valid]:
    try:
        from stdnum import iban, luhn
        from stdnum.tr import tckimlik
    except ImportError:
        return (lambda _: True,) * 3
    return iban.is_valid, lambda text: luhn.is_valid(re.sub(r"\D", "", text)), tckimlik.is_valid


def _text_in(content: object) -> str:
    if isinstance(content, list | tuple):
        return " ".join(part.get("text", "[…]") if isinstance(part, dict) else "[…]" for part in content)
    return content if isinstance(content, str) else ""
