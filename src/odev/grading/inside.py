"""What runs inside the limited process: its own limits first, then pytest on the steps' tests.

`python -m odev.runner job.json`. Started by steps.py only. The tests' order is
the course's, then the canaries: tests that fail in every honest run. The name
of the test that is running is written down before it runs, so that an end
without a report can still be put to a test.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WATCH = "odev-watch"  # the plugin's name; the canaries ask for it


def limit_this_process(address_space: int, file: int, processes: int, seconds: int) -> None:
    """POSIX: of this process and what it starts. `processes`: all of this user's; not for root."""
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        resource.RLIMIT_AS: address_space,
        resource.RLIMIT_FSIZE: file,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
    }
    if os.getuid() != 0:
        wanted[resource.RLIMIT_NPROC] = processes
    for what, value in wanted.items():
        _, hard = resource.getrlimit(what)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(what, (value, value))
        except (
            OSError,
            ValueError,
        ) as error:  # macOS does not take every one: the watch from outside remains
            print(f"limit {what} is not set: {error}", file=sys.stderr)
    os.nice(5)


class Watch:
    """Which test runs, and which classes of the package are equal to everything."""

    def __init__(self, started: Path, package: Path) -> None:
        self._started = started
        self._package = str(package)
        self._classes: dict[int, type] = {}  # kept alive until the canary asks

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._started.write_text(nodeid, encoding="utf-8")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """A class made by a call is looked at before the garbage collector gets to it."""
        gc.disable()
        try:
            return (yield)
        finally:
            self._classes |= {id(each): each for each in _subclasses(object) if self._is_theirs(each)}
            gc.enable()

    def equal_to_everything(self) -> list[str]:
        return [each.__qualname__ for each in self._classes.values() if _is_equal_to_everything(each)]

    def _is_theirs(self, each: type) -> bool:
        code = getattr(vars(each).get("__eq__"), "__code__", None)
        return code is not None and code.co_filename.startswith(self._package)


def _subclasses(of: type) -> Iterator[type]:
    seen: set[type] = set()
    pending = [of]
    while pending:
        found: list[type] = type.__subclasses__(pending.pop())
        for each in found:
            if each not in seen:
                seen.add(each)
                pending.append(each)
                yield each


def _is_equal_to_everything(each: type) -> bool:
    base: Any = next(parent for parent in each.__mro__ if parent.__module__ == "builtins")
    try:
        return bool(base.__new__(each) == object())
    except Exception:  # it needs more than an object to compare: then it is not equal to just any
        return False


def main(job: Path) -> int:
    told = json.loads(job.read_text(encoding="utf-8"))
    limit_this_process(**told["limits"])
    watch = Watch(Path(told["started"]), Path(told["package"]))
    plugins: list[object] = []

    class Register:
        """By a name, which pytest.main's `plugins` does not give."""

        @staticmethod
        def pytest_configure(config: pytest.Config) -> None:
            config.pluginmanager.register(watch, WATCH)

    plugins.append(Register())
    return int(pytest.main(told["arguments"], plugins=plugins))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
