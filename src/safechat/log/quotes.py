"""The words of an error as a log may have them: without what they quote of a prompt or an answer.

Servers quote their input in the errors that they answer with; a refusal is an answer. Not here: prompts and
answers in a log that wants them (content.py), secrets (redact.py of the package).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from safechat.errors import NO_FIT, ChatError
from safechat.log.content import wants_content
from safechat.messages import ChatRequest

HIDDEN = "[…]"
# Words in a row that stand in the prompt, too, are a quotation of it.
_WORDS_OF_A_QUOTATION = 3
# So is one word, if it has that many characters, or that many digits, or a letter that English has not.
_LONG_WORD, _LONG_NUMBER = 12, 5

# FastAPI, pydantic and vLLM show the whole input of what they refuse.
_INPUT = re.compile(r"""(?:['"]input['"]\s*:|\binput_value\s*=).*""", re.DOTALL)
# A word. In JSON, and in Python's repr, a line break is \n, and a letter may be \u011f.
_WORD = re.compile(r"\\[nrt]|((?:\\u[0-9a-fA-F]{4}|\w)+)")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def error_text(error: BaseException, request: ChatRequest) -> str:
    """The text of `error`; where no open log wants content, [...] in place of prompt and answer."""
    text = str(error) if isinstance(error, ChatError) else f"{type(error).__name__}: {error}"
    if wants_content():
        return text
    texts = list(_texts_in(request.messages))
    short = [text for text in texts if len(text.split()) < _WORDS_OF_A_QUOTATION]
    texts += _texts_in(request.params)
    if isinstance(error, ChatError):
        errors = (error, *error.failures)  # its text may end with that of the last failure
        quoted = {quotation for known in errors for quotation in known.quoted if quotation}
        for quotation in sorted(quoted, key=len, reverse=True):
            text = text.replace(quotation, HIDDEN)
        # Of a misfit the names of the fields stand in the answer, too.
        texts += (known.partial_text for known in errors if known.code != NO_FIT)
    return without_quotations(text, texts, short)


def without_quotations(text: str, originals: Iterable[str], short: Iterable[str] = ()) -> str:
    """`text` without what it quotes of `originals`, without any word of the texts in `short`, and without
    what servers show as their input."""
    text = _INPUT.sub(HIDDEN, text)
    words = [(match.start(), match.end(), _plain(match[1])) for match in _WORD.finditer(text) if match[1]]
    original = " ".join(_words(originals))
    secret = set(_words(short))
    hidden = [False] * len(words)
    for index, (_, _, word) in enumerate(words):
        row = [word for _, _, word in words[index : index + _WORDS_OF_A_QUOTATION]]
        if len(row) == _WORDS_OF_A_QUOTATION and " ".join(row) in original:
            hidden[index : index + len(row)] = [True] * len(row)
        elif word in secret or (_tells_much(word) and word in original):
            hidden[index] = True
    return _hide(text, [(start, end) for (start, end, _), hide in zip(words, hidden, strict=True) if hide])


def _tells_much(word: str) -> bool:
    digits = sum(map(str.isdigit, word))
    return len(word) >= _LONG_WORD or digits >= _LONG_NUMBER or not word.isascii()


def _hide(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` with HIDDEN in place of each span; spans with no word between them become one."""
    parts: list[str] = []
    position = 0
    for start, end in spans:
        between = text[position:start]
        if not (parts and _WORD.search(between) is None):
            parts += [between, HIDDEN]
        position = end
    return "".join([*parts, text[position:]])


def _words(texts: Iterable[str]) -> Iterator[str]:
    return (_plain(match[1]) for text in texts for match in _WORD.finditer(text) if match[1])


def _plain(word: str) -> str:
    """`word` without escapes, in small letters; ı, İ and I become i, for Turkish has other capitals."""
    word = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), word)
    return word.replace("İ", "i").casefold().replace("ı", "i")


def _texts_in(value: object) -> Iterator[str]:
    """All texts in it, except files (`data:…`), roles and types."""
    if isinstance(value, str):
        if not value.startswith("data:"):
            yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name not in ("role", "type"):
                yield from _texts_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts_in(item)
