"""The course tool: classroom, checks, grading, demo. It is not part of the safechat wheel.

A notebook begins with

    from odev import check, classroom

    room = classroom.start()

and then has `check()`, `check(4)`, `check("4.2")`, with the second hint
`check("4.2", ipucu=2)`, and the line magics `%odev check 4` and `%odev status`; the last
lesson has `from odev import exam` and `exam.run()`. The import alone starts nothing and
is fast. Not here: the commands of the shell (__main__.py).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odev.student.report import Progress, Report


def check(what: object = None, ipucu: int = 1) -> Report:
    """Judge my lesson (4) or my task ("4.2"); without an argument, the lesson that I work on.

    `ipucu=2` shows the second, longer hints too.
    """
    from odev.student import check as checking

    return checking.check(what, hints=_hints(ipucu))


def _magic(line: str) -> Report | Progress:
    """%odev check, %odev check 4, %odev check 4.2, %odev check 4.2 ipucu=2, %odev status"""
    from odev.student import check as checking

    command, _, argument = line.strip().partition(" ")
    if command == "status":
        from odev.student.waiting import line_in_cell

        with line_in_cell() as progress:
            return checking.status(progress=progress)
    if command == "check":
        argument, _, hints = argument.partition("ipucu=")
        return checking.check(argument.strip() or None, hints=_hints(hints))
    from IPython.core.error import UsageError  # which IPython shows as one line

    raise UsageError(
        "%odev check, %odev check 4, %odev check 4.2, %odev check 4.2 ipucu=2 ya da %odev status"
    )


def _hints(ipucu: object) -> int:
    return 2 if str(ipucu).strip() == "2" else 1


def _register() -> None:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        shell.register_magic_function(_magic, "line", "odev")


_register()
