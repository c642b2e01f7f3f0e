"""Takes secrets out of text: the literal keys in use now or before, what looks like a key, what is named one.

Every pattern is bounded, so that the time is linear in the length of the text, whatever is in it.
Not here: prompts and answers, which are logged only where the program asks for it, and the personal
data in them (log/content.py).
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from safechat.runtime.process import ProcessLock

REDACTED = "[redacted]"

# The first letters stand apart, for speed.
_KEY_LIKE = r"""(?=[ABbeghnprsx]) (?:
    (?<![A-Za-z0-9])(?:sk|rk|pk|sess)-[A-Za-z0-9_\-*.]{6,}   # OpenAI and those who copied its prefix
  | (?:sk|rk|pk|sess)-(?:[a-z]{1,16}-){0,3}[A-Za-z0-9]{20}[A-Za-z0-9_\-]*   # … also with a letter before it
  | hv[sbr]\.[A-Za-z0-9_\-]{16,}                            # Vault and OpenBao tokens
  | (?<![A-Za-z0-9])s\.[A-Za-z0-9]{20,}
  | eyJ[A-Za-z0-9_\-]{16,}(?:\.[A-Za-z0-9_\-]*){0,4}       # JSON web tokens, RFC 7519
  | gsk_[A-Za-z0-9]{16,} | hf_[A-Za-z0-9]{16,}               # Groq, Hugging Face
  | AIza[A-Za-z0-9_\-]{30,} | A[KS]IA[A-Z0-9]{16,}           # Google, AWS
  | xai-[A-Za-z0-9]{16,} | pplx-[A-Za-z0-9]{16,}             # xAI, Perplexity
  | nvapi-[A-Za-z0-9_\-]{16,}                                # NVIDIA
  | gh[pousr]_[A-Za-z0-9]{16,} | xox[abeoprs]-[A-Za-z0-9\-]{10,}   # GitHub, Slack
  | (?i:Bearer\s{1,9}){1,3}[A-Za-z0-9._~+/\-]{6,}=*         # RFC 6750, section 2.1; some write the word twice
  | (?i:Basic)\s{1,9}[A-Za-z0-9+/]{16,}=*                   # RFC 7617
)"""

# The ends of names whose value is a secret.
_SECRET_NAME = (
    "(?:api|subscription|private|access|secret)[_-]?key|apikey|authorization|cookie|passw(?:or)?d|passphrase"
    "|secret|(?:access|auth|refresh|id|vault|ad|security)[_-]?token|secret[_-]?id|credentials?"
)
_PARTS_OF_NAMES = ("key", "auth", "cookie", "pass", "secret", "token", "credential", "://")
# A value that is there already, or none: `password=None`, `"password": ""`.
_NO_VALUE = r"(?!\[redacted\]|None\b|null\b)"
_NAMED = rf"""(?x)
    (?P<quoted> (?i:{_SECRET_NAME}) \\{{0,4}}["']?\s{{0,9}}[:=]\s{{0,9}}[bu]?\\{{0,4}}["'] ) {_NO_VALUE}
        (?: [^"'\\\n] | \\(?!\\{{0,3}}["']) ){{4,2000}}        # up to the closing quotation mark
  | (?P<equals> (?i:{_SECRET_NAME}) ["']?\s?=\s? ) {_NO_VALUE} [^\s"'&,;)\]}}]{{4,}}
  | (?P<colon> (?i:{_SECRET_NAME}) \s?:\s{{1,9}} (?: (?i:Bearer|Basic|Token|Digest) \s )? ) {_NO_VALUE}
        (?= [^\s"',;]{{0,64}} \d ) [^\s"',;]{{6,}}               # with a digit: no word of a sentence
  | (?P<user> :// [^\s/:@]{{0,64}} : ) {_NO_VALUE} [^\s/@]{{1,256}} (?=@)   # RFC 3986, section 3.2.1
"""

# Shorter than this, or in words of letters alone and shorter than that, a "key" stands in ordinary text too:
# "test", "ollama", "not-needed".
_SHORTEST_SECRET, _SHORTEST_WORDS = 6, 16
# Shorter than this, the middle of a base64 text may stand in another one.
_SHORTEST_BASE64 = 10
_MOST_NAMES, _LONGEST_NAME = 1000, 200
# Characters after a cut in which the end of a secret is looked for.
_LOOK_AHEAD = 512
_MOST_REMEMBERED = 256  # keys that rotate come and go; the oldest is forgotten first


def redact(text: str) -> str:
    """`text` without the secrets that were remembered, and without what is shaped, or named, like a key."""
    spans = _secret_spans(text)
    return _without(text, spans) if spans else text


def without_remembered(text: str) -> str:
    """`text` without the secrets that were remembered. What is only shaped like a key stays: an answer may be
    about one."""
    return text if _literals is None else _literals.sub(REDACTED, text)


def _secret_spans(text: str) -> list[tuple[int, int]]:
    """Where secrets stand; some overlap."""
    names = _may_name_a_secret(text)
    if not names and _shaped.search(text) is None and (_literals is None or _literals.search(text) is None):
        return []  # as in most texts
    patterns = (_shaped,) if _literals is None else (_shaped, _literals)
    spans = [match.span() for pattern in patterns for match in pattern.finditer(text)]
    if names:  # of these the name stays, which is the one group that matched
        spans += [(match.end(match.lastgroup or 0), match.end()) for match in _named.finditer(text)]
    return spans


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """REDACTED in place of each span. One mark stands for spans that overlap: a shape may end in mid-key."""
    parts: list[str] = []
    position = 0
    for start, end in sorted(spans):
        if start >= position:
            parts += [text[position:start], REDACTED]
        position = max(position, end)
    return "".join([*parts, text[position:]])


def _may_name_a_secret(text: str) -> bool:
    """A quick look, for the pattern is a slow one: whether there is a name's part, and what follows names."""
    if "=" not in text and ":" not in text:
        return False
    lower = text.lower()
    return any(part in lower for part in _PARTS_OF_NAMES)


def literal_pattern(secrets: Iterable[str]) -> re.Pattern[str]:
    """It matches each of `secrets`, also encoded.

    The longest secret is tried first: one that begins another must not leave the other's end behind.
    """
    forms = {form for secret in secrets for form in (secret, *encoded_forms(secret))}
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))


def encoded_forms(secret: str) -> set[str]:
    """How `secret` may stand in a URL, in JSON, and in base64, also amid other text (`user:password`)."""
    forms = {quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    for offset in range(3):  # base64 makes four characters of three bytes
        data = b"\0" * offset + secret.encode("utf-8", "surrogatepass")
        # Only the characters in the middle depend on the secret alone.
        start, end = -(-offset * 8 // 6), len(data) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            middle = encode(data).decode()[start:end]
            if len(middle) >= _SHORTEST_BASE64:
                forms.add(middle)
    return forms


_lock = ProcessLock()
_remembered: dict[str, None] = {}
_names: dict[str, tuple[str, bool]] = {}
_shaped = re.compile(_KEY_LIKE, re.VERBOSE)
_literals: re.Pattern[str] | None = None  # of the keys that are remembered
_named = re.compile(_NAMED)
_secret_name = re.compile(rf".*(?:{_SECRET_NAME})", re.IGNORECASE | re.DOTALL)
_PLACE = re.compile("key|token|secret|auth|passw|cookie|credential|signature", re.IGNORECASE)
_words = re.compile(r"[a-z]+([ _-][a-z]+)*|[A-Z]+([ _-][A-Z]+)*|[A-Z][a-z]+")


def remember(secret: str) -> None:
    """From now on `secret` is taken out of every text, in this process. A short word is no secret."""
    global _literals
    stripped = secret.strip()  # a key that was read from a file, with its line break
    if secret in _remembered or is_ordinary(stripped):
        return
    with _lock:
        _remembered[secret] = _remembered[stripped] = None
        while len(_remembered) > _MOST_REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _literals = literal_pattern(_remembered)
        _names.clear()


def remember_named(fields: Mapping[str, object]) -> None:
    """`remember` the values of headers or parameters whose names say that they are secret."""
    for name, value in fields.items():
        if isinstance(value, str) and _PLACE.search(str(name)):
            scheme, _, credentials = value.partition(" ")
            remember(credentials if credentials and scheme.lower() in ("bearer", "basic", "token") else value)


def remember_url(url: str) -> None:
    """`remember` the password and the key that stand in an address."""
    with suppress(ValueError):
        parts = urlsplit(url)
        remember_named(dict(parse_qsl(parts.query)))
        if parts.password:
            remember(unquote(parts.password))


def is_ordinary(text: str) -> bool:
    """Whether `text` is too short for a secret, or a word or two that stand in ordinary text."""
    return len(text) < _SHORTEST_SECRET or (
        len(text) < _SHORTEST_WORDS and _words.fullmatch(text) is not None
    )


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    return _known(name)[1]


def is_key_shaped(text: str) -> bool:
    """Whether `redact` takes all of `text` out, even where it was not remembered."""
    return _shaped.fullmatch(text) is not None


def redacted(value: object, name: object = "") -> object:
    """`value`, which stands under `name`, as JSON can hold it: without any secret, however deep.

    A dict stays a dict: its names are redacted by `redacted_name`, and each of its values under its
    own name. A list, tuple or set becomes a list, and all of its items stand under the list's `name`.
    Anything else is redacted by `redacted_leaf`. `value` itself does not change.
    """
    if isinstance(value, Mapping):
        return {redacted_name(key): redacted(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, name) for item in value]
    return redacted_leaf(value, name)


def redacted_leaf(value: object, name: object = "") -> str | int | float | None:
    """`value`, which holds no other values, as JSON can hold it, without any secret.

    None and booleans stay. Under the name of a secret anything else is REDACTED, but for an empty text. Under
    another name numbers stay, if they are finite, and anything else becomes its text (`safe_str`), redacted.
    """
    if value is None or isinstance(value, bool):
        return value
    if is_secret_name(safe_str(name)) and safe_str(value) != "":
        return REDACTED
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return redact(safe_str(value))


def redacted_field(name: str, value: object) -> tuple[str, object]:
    """The name and the value of a field, both redacted."""
    known, is_secret = _known(name)
    if not is_secret and type(value) is str:  # as most are: `redacted` asks for other types first
        return known, redact(value)
    return known, redacted(value, name)


def redacted_name(name: object) -> str:
    """`redact` for names, which are few and come again and again. One that is no text becomes its text."""
    return _known(safe_str(name))[0]


def safe_str(value: object) -> str:
    """The text of `value`; where it cannot be had, its type's name and why."""
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose text cannot be had: {type(error).__name__}>"


def _known(name: str) -> tuple[str, bool]:
    """A name without secrets, and whether it is the name of one. The results are kept."""
    known = _names.get(name)
    if known is None:
        if len(_names) > _MOST_NAMES:
            _names.clear()
        is_secret = len(name) < _LONGEST_NAME and _secret_name.fullmatch(name) is not None
        known = _names[name] = redact(name), is_secret
    return known


def redacted_start(text: str, length: int, also: Sequence[re.Pattern[str]] = ()) -> str:
    """The first `length` characters of `text`, redacted; a secret that begins in them is taken out whole.

    To cut first would leave the beginning of a secret, which nothing recognises. In the same way no match
    of the patterns in `also` is cut in two: the text is then a little longer.
    """
    window = text[: length + max(_LOOK_AHEAD, *map(len, _remembered), 0)]
    secrets, end = _secret_spans(window), length
    whole = secrets + [match.span() for pattern in also for match in pattern.finditer(window)]
    while crossing := [stop for start, stop in whole if start < end < stop]:
        end = max(crossing)
    return _without(window[:end], [span for span in secrets if span[0] < end])
