"""What runs inside the limited process: its own limits first, then pytest on the steps' tests.

`python -m odev.grading.inside job.json`; only steps.py starts it. The steps' tests
run in the course's order, the canaries last. The name of each test is written to a
file before the test runs. So even a process that ends without a report shows which
test was running. Not here: the limits that are watched from outside
(limited_process.py).
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

WATCH = "odev-watch"  # the plugin's name, by which the canaries get it


def limit_this_process(address_space: int, file: int, processes: int, seconds: int) -> None:
    """Limit this process and its children, on POSIX: bytes of memory and of one file, seconds of CPU.

    `processes` counts all processes of this user; root has no such limit.
    """
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
        except (OSError, ValueError) as error:
            # macOS does not accept every limit; those that are watched from outside remain.
            print(f"limit {what} is not set: {error}", file=sys.stderr)
    os.nice(5)


class Watch:
    """Writes down which test runs, and finds classes of the package that are equal to everything."""

    def __init__(self, started: Path, package: Path) -> None:
        self._started = started
        self._package = str(package)
        self._classes: dict[int, type] = {}  # by id; kept alive until the canary asks

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._started.write_text(nodeid, encoding="utf-8")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """Note the package's classes before the garbage collector removes those that the test made."""
        gc.disable()
        try:
            return (yield)
        finally:
            self._classes |= {id(cls): cls for cls in _subclasses(object) if self._is_in_package(cls)}
            gc.enable()

    def equal_to_everything(self) -> list[str]:
        return [cls.__qualname__ for cls in self._classes.values() if _is_equal_to_everything(cls)]

    def _is_in_package(self, cls: type) -> bool:
        """Whether the package defines how objects of this class are compared."""
        code = getattr(vars(cls).get("__eq__"), "__code__", None)
        return code is not None and code.co_filename.startswith(self._package)


def _subclasses(of: type) -> Iterator[type]:
    seen: set[type] = set()
    pending = [of]
    while pending:
        children: list[type] = type.__subclasses__(pending.pop())
        for child in children:
            if child not in seen:
                seen.add(child)
                pending.append(child)
                yield child


def _is_equal_to_everything(cls: type) -> bool:
    base: Any = next(parent for parent in cls.__mro__ if parent.__module__ == "builtins")
    try:
        return bool(base.__new__(cls) == object())
    except Exception:  # a comparison that fails does not call everything equal
        return False


def main(job_file: Path) -> int:
    """Run the job; pytest's exit code."""
    job = json.loads(job_file.read_text(encoding="utf-8", errors="surrogateescape"))
    limit_this_process(**job["limits"])
    watch = Watch(Path(job["started"]), Path(job["package"]))

    class Register:
        """Registers the watch under its name; pytest.main's `plugins` have no names."""

        @staticmethod
        def pytest_configure(config: pytest.Config) -> None:
            config.pluginmanager.register(watch, WATCH)

    return int(pytest.main(job["arguments"], plugins=[Register()]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
