"""A failed assertion in Turkish: the call, what came, what was expected.

    assert None == '429'
     +  where None = text_of(429)          →  text_of(429) → None; beklenen: '429'

A test's own message stays as it is; so does what has no such form. Not here: the call
that raised nothing or another error (not_raised.py), crashes (inside.py).
"""

from __future__ import annotations

import re

LONGEST = 300  # characters of a line in a report
_END = re.compile(r"(?:; beklenen: | ← ).*$|; \S+ (?:fırlatılmalıydı|olmamalıydı)$", re.DOTALL)
_NOT_AWAITED = "bu hata beklenmiyordu"
_NOT_RAISED = re.compile(r"Failed: DID NOT RAISE (?:<class '(?:\w+\.)*)?(\w+)")
_WHERE = re.compile(r"^ \+ +where (.+?) = (.+)$", re.MULTILINE)
_OBJECT = re.compile(
    r"<(?:function|bound method) (?:[\w.<>]+<locals>\.)?([\w.]+)(?: of <[^<>]*>|[^<>]* at 0x[0-9a-f]+)>"
    r"|<(?:[\w.<>]+\.)?(\w+) object at 0x[0-9a-f]+>"
)
_IN = re.compile(r"assert ((?:(?! in | not).)+) in (.+)")
_CAUGHT = re.compile(r"<ExceptionInfo (.+?) tblen=\d+>\.value")
_COMPARED = (
    (re.compile(r"assert (.+) == (.+)"), "beklenen: {}"),
    (re.compile(r"assert (.+) is not (.+)"), "{} olmamalıydı"),
    (re.compile(r"assert (?!not )(.+) is (.+)"), "beklenen: {}"),
    (re.compile(r"assert (False|None|''|\[\]|\{\}|0)()"), "beklenen: doğru (True) bir değer"),
)


def in_turkish(message: str, call: str = "", awaited: str = "") -> str:
    """One line from pytest's message, which may have several. `call` is one that raised nothing, or an error
    of the package's own: in place of one of the class `awaited`, or where none was awaited."""
    not_raised = _NOT_RAISED.match(message.strip())
    where = f"{call} → " if call else ""
    if (call or awaited) and not not_raised:  # the error's own text is in English
        came = message.strip().partition("\n")[0].partition(":")[0].rpartition(".")[2]
        return f"{where}{came} fırlatıldı; {f'beklenen: {awaited}' if awaited else _NOT_AWAITED}"
    message = _OBJECT.sub(r"\1\2", message.strip().removeprefix("AssertionError: "))
    message = _CAUGHT.sub(r"\1", message)
    if not_raised:
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


def shortened(line: str, longest: int = LONGEST) -> str:
    """At most so many characters: of a long call and of a long value the end is left out, and never what was
    expected or the place that stands behind it."""
    if len(line) <= longest:
        return line
    end = _END.search(line)
    head, tail = (line[: end.start()], _cut(end[0], longest // 2)) if end else (line, "")
    call, arrow, came = head.partition(" → ")
    if arrow:
        head = f"{_cut(call, longest // 4)}{arrow}{came}"
    return _cut(head, longest - len(tail)) + tail


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
