"""What of the found sources goes into the prompt, within a budget of tokens.

Not here: how they are written there (prompt.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from safechat.rag.prompt import block
from safechat.rag.sources import Source


@dataclass(frozen=True, slots=True)
class Packed:
    """The sources of a prompt, numbered from 1 in this order, what they cost, and those that had no room."""

    sources: tuple[Source, ...] = ()
    left_out: tuple[Source, ...] = ()
    tokens: int = 0


def pack(sources: Iterable[Source], budget: int, tokens: Callable[[str], int]) -> Packed:
    """The sources that fit into `budget` tokens, best first and each as a whole.

    One that is too large for what is left is left out, and a smaller one behind it may still fit. `tokens`
    gives the tokens of a text; a source counts with its title and its marks.
    """
    chosen: list[Source] = []
    left_out: list[Source] = []
    left = budget
    for source in sources:
        cost = tokens(block(len(chosen) + 1, source))
        if cost <= left:
            chosen.append(source)
            left -= cost
        else:
            left_out.append(source)
    return Packed(tuple(chosen), tuple(left_out), budget - left)
