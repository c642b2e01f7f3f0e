"""Takes secrets out of text: the literal keys in use now or before, and what looks like a key.

Not here: prompts and answers, which are logged only where the program asks for it, and the personal
data in them (log/content.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from safechat.runtime.process import ProcessLock

REDACTED = "[redacted]"

_KEY_LIKE = r"""
    (?<![A-Za-z0-9])(?:sk|rk|pk|sess)-[A-Za-z0-9_\-*.]{6,}   # OpenAI and those who copied its prefix
  | (?:sk|rk|pk|sess)-(?:[a-z]+-)*[A-Za-z0-9]{20}[A-Za-z0-9_\-]*   # … also with a letter before it
  | hv[sbr]\.[A-Za-z0-9_\-]{16,}                            # Vault and OpenBao tokens
  | (?<![A-Za-z0-9])s\.[A-Za-z0-9]{20,}
  | eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)?   # JSON web tokens, RFC 7519
  | (?i:Bearer)\s+[A-Za-z0-9._~+/\-]{6,}=*                   # RFC 6750, section 2.1
"""

# Shorter than this, a "key" is a word that stands in ordinary text too ("test", "none").
_SHORTEST_SECRET = 6
_MOST_NAMES = 1000
# Characters after a cut in which the end of a secret is looked for.
_LOOK_AHEAD = 512
_MOST_REMEMBERED = 256  # keys that rotate come and go; the oldest is forgotten first


def redact(text: str) -> str:
    """`text` without the secrets that were remembered, and without anything that is shaped like a key."""
    return _pattern.sub(REDACTED, text)


def secret_pattern(secrets: Iterable[str]) -> re.Pattern[str]:
    """It matches each of `secrets`, and anything that is shaped like a key.

    The longest secret is tried first: one that begins another must not leave the other's end behind.
    """
    literals = [re.escape(secret) for secret in sorted(secrets, key=len, reverse=True)]
    return re.compile("|".join([*literals, _KEY_LIKE]), re.VERBOSE)


_lock = ProcessLock()
_remembered: dict[str, None] = {}
_names: dict[str, str] = {}
_pattern = _shaped = secret_pattern(())


def remember(secret: str) -> None:
    """From now on `secret` is taken out of every text, in this process."""
    global _pattern
    stripped = secret.strip()  # a key that was read from a file, with its line break
    if len(stripped) < _SHORTEST_SECRET or secret in _remembered:
        return
    with _lock:
        _remembered[secret] = _remembered[stripped] = None
        while len(_remembered) > _MOST_REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _pattern = secret_pattern(_remembered)
        _names.clear()


def is_key_shaped(text: str) -> bool:
    """Whether `redact` takes all of `text` out, even where it was not remembered."""
    return _shaped.fullmatch(text) is not None


def redacted(value: object) -> object:
    """`value` as JSON can hold it, with all text in it redacted; what JSON does not know becomes its text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # JSON knows no NaN
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(name)): redacted(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item) for item in value]
    return redact(_text_of(value))


def redacted_name(name: str) -> str:
    """`redact` for the names of fields; they are few and come again and again, so the results are kept."""
    clean = _names.get(name)
    if clean is None:
        if len(_names) > _MOST_NAMES:
            _names.clear()
        clean = _names[name] = redact(name)
    return clean


def redacted_start(text: str, length: int, also: Sequence[re.Pattern[str]] = ()) -> str:
    """The first `length` characters of `text`, redacted; a secret that begins in them is taken out whole.

    To cut first would leave the beginning of a secret, which nothing recognises. In the same way no match
    of the patterns in `also` is cut in two: the text is then a little longer.
    """
    window = text[: length + max(_LOOK_AHEAD, *map(len, _remembered), 0)]
    end = length
    while crossing := [
        match.end()
        for pattern in (_pattern, *also)
        for match in pattern.finditer(window)
        if match.start() < end < match.end()
    ]:
        end = max(crossing)
    return redact(window[:end])


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose text cannot be had: {type(error).__name__}>"
