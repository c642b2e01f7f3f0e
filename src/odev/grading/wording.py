"""A failed assertion in Turkish: the call, what came, what was expected.

    assert None == '429'
     +  where None = text_of(429)          →  text_of(429) → None; beklenen: '429'

A test's own message stays as it is; so does what has no such form. Not here: the call
that raised nothing or another error (not_raised.py), crashes (inside.py).
"""

from __future__ import annotations

import re

_NOT_RAISED = re.compile(r"Failed: DID NOT RAISE (?:<class '(?:\w+\.)*)?(\w+)")
_WHERE = re.compile(r"^ \+ +where (.+?) = (.+)$", re.MULTILINE)
_OBJECT = re.compile(r"<(?:function|bound method) (?:[\w.]+<locals>\.)?([\w.]+)[^<>]* at 0x[0-9a-f]+>")
_IN = re.compile(r"assert ((?:(?! in | not).)+) in (.+)")
_CAUGHT = re.compile(r"<ExceptionInfo (.+?) tblen=\d+>\.value")
_COMPARED = (
    (re.compile(r"assert (.+) == (.+)"), "beklenen: {}"),
    (re.compile(r"assert (.+) is not (.+)"), "{} olmamalıydı"),
    (re.compile(r"assert (?!not )(.+) is (.+)"), "beklenen: {}"),
    (re.compile(r"assert (False|None|''|\[\]|\{\}|0)()"), "beklenen: doğru (True) bir değer"),
)


def in_turkish(message: str, call: str = "", awaited: str = "") -> str:
    """One line from pytest's message, which may have several. `call` is one that raised nothing, or another
    error than the class `awaited`."""
    if awaited:
        came = message.strip().partition("\n")[0].partition(":")[0].rpartition(".")[2]
        return f"{call} → {came} fırlatıldı; beklenen: {awaited}"
    message = _OBJECT.sub(r"\1", message.strip().removeprefix("AssertionError: "))
    message = _CAUGHT.sub(r"\1", message)
    not_raised = _NOT_RAISED.match(message)
    if not_raised:
        where = f"{call} → " if call else ""
        return f"{where}hata fırlatılmadı; {not_raised[1]} fırlatılmalıydı"
    first = message.partition("\n")[0].strip()
    found = _IN.fullmatch(first)
    if found:
        return f"{_origin(found[2], message) or found[2]} içinde {found[1]} yok"
    for pattern, expected in _COMPARED:
        compared = pattern.fullmatch(first)
        # With a second operator in the line nobody knows which of them was asked about.
        if compared and len(re.findall(r" (?:==|is|in|and|or) ", first)) <= 1:
            came, wanted = compared.groups()
            call = _origin(came, message)
            came = f"{call} → {came}" if call else f"{came} geldi"
            return f"{came}; {expected.format(wanted)}"
    return first.removeprefix("Failed: ")


def _origin(value: str, message: str) -> str:
    """The expression that gave this value, as pytest's `where` lines tell it; empty when they do not."""
    (top, *others) = _WHERE.findall(message) or [("", "")]
    if top[0] != value:
        return ""
    origin: str = top[1]
    for part, expression in others:
        origin = origin.replace(part, expression)
    return origin
