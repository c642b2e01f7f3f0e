"""Which sources an answer cites: `[1]`, `[1, 2]`, `[1][2]`, `【1】` and `【1†source】`."""

from __future__ import annotations

import re
from dataclasses import dataclass

# One bracket with its numbers as the group 1: `1` or `1, 2`.
CITATION = re.compile(r"[\[【]\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*(?:†[^\]】\n]{0,80})?[\]】]")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Citations:
    """The numbers of the sources that an answer cites, in the order of their first mention, and the numbers
    that no source has."""

    cited: tuple[int, ...]
    unknown: tuple[int, ...]


def citations(text: str, sources: int) -> Citations:
    """The citations in an answer to a prompt with this number of sources. Code is not looked at."""
    numbers = dict.fromkeys(numbers_in(text))
    return Citations(
        tuple(number for number in numbers if 1 <= number <= sources),
        tuple(number for number in numbers if not 1 <= number <= sources),
    )


def numbers_in(text: str) -> list[int]:
    """The numbers in the brackets of the text, in their order; those in code are no citations."""
    brackets = CITATION.finditer(without_code(text))
    return [int(number) for match in brackets for number in re.findall(r"\d+", match[1])]


def without_code(text: str) -> str:
    """The text without its code, fenced or in backticks: there `a[1]` is no citation."""
    return _CODE.sub(" ", text)


def without_citations(text: str) -> str:
    """A source's own footnotes in round brackets, so that they cannot pass for citations: `[7]` → `(7)`."""
    return CITATION.sub(lambda match: f"({match[1]})", text)
