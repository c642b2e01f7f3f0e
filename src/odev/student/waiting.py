"""What a student sees while many tasks are judged: how many are done, and how long it may take.

Not here: the judging (check.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

LABEL = "yazdığın görevler sınanıyor, bir dakika sürebilir"


@contextmanager
def line_in_cell() -> Iterator[Callable[[int], None]]:
    """A line in the output of the notebook's cell, which is empty again at the end. Each call is one step of
    so many."""
    from IPython.display import Pretty, display

    line = display(Pretty(f"{LABEL} …"), display_id=True)
    done = 0

    def one_more(total: int) -> None:
        nonlocal done
        done += 1
        line.update(Pretty(f"{LABEL}: {done}/{total}"))

    try:
        yield one_more
    finally:
        line.update(Pretty(""))
