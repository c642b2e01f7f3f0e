"""What goes wrong with the log itself is printed on stderr: it cannot be logged."""

from __future__ import annotations

import sys
from contextlib import suppress


def complain(problem: str) -> None:
    """Print `problem` on stderr; never raises, even if stderr is closed."""
    with suppress(OSError, ValueError):
        print(f"safechat: {problem}", file=sys.stderr)
