"""What runs inside the limited process: its own limits first, then pytest on the steps' tests.

`python -m odev.grading.inside job.json`; only steps.py starts it. The steps' tests
run in the course's order, the canaries last. The name of each test is written to a
file before the test runs. So even a process that ends without a report shows which
test was running. Not here: the limits that are watched from outside
(limited_process.py), how a process limits itself (process_group.py).
"""

from __future__ import annotations

import gc
import inspect
import json
import linecache
import os
import reprlib
import sys
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pytest

from odev.grading.not_raised import is_of, unmet
from odev.grading.process_group import end_with_parent, limit_itself

WATCH = "odev-watch"  # the plugin's name, by which the canaries get it


class Watch:
    """Writes down which test runs and where the package raised an error, and finds classes of the package
    that are equal to everything."""

    def __init__(self, started: Path, package: Path) -> None:
        """`package` is the package's own folder."""
        self._started = started
        self._package = f"{package}{os.sep}"
        self._before = _subclasses(object)  # kept alive, so that no later class gets one of these ids
        self._classes: dict[int, type] = {}  # by id; kept alive until the canary asks
        gc.disable()  # classes are removed by a collection alone; one that is asked for finds them noted
        gc.callbacks.append(self._note_classes)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._started.write_text(nodeid, encoding="utf-8")

    @pytest.hookimpl(wrapper=True)
    def pytest_assertrepr_compare(self) -> Generator[None, object, list[list[str]]]:
        """No comparison of two values in many lines: it would hide the call that gave one of them."""
        yield
        return []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Note what of the error only the traceback shows."""
        try:
            return (yield)
        except BaseException as error:
            crash = self._crash(error, str(item.path))
            item.user_properties += crash.items()
            if not crash:
                item.user_properties += unmet(error, str(item.path), Path(self._package).name).items()
            raise

    def _crash(self, error: BaseException, test_file: str) -> dict[str, str]:
        """The call and the lines of the package that led to this error, if the package raised it.

        An error that the package itself defines is an answer, and no crash.
        """
        frames = list(traceback.walk_tb(error.__traceback__))
        files = [frame.f_code.co_filename for frame, _ in frames]
        after = len(files) - files[::-1].index(test_file) if test_file in files else 0
        own = [index for index in range(after, len(files)) if files[index].startswith(self._package)]
        if not own or is_of(Path(self._package).name, error):
            return {}
        places = [frames[index] for index in own]
        lines = [linecache.getline(frame.f_code.co_filename, line).strip() for frame, line in places]
        return {"crash_call": _call(places[0][0]), "crash_lines": "\n".join(lines)}

    def _note_classes(self, phase: str = "start", info: object = None) -> None:
        """Keep the package's new classes alive (also called by the garbage collector)."""
        if phase == "start":
            new = _subclasses(object)
            self._classes |= {
                id: cls for id, cls in new.items() if id not in self._before and self._is_in_package(cls)
            }

    def equal_to_everything(self) -> list[str]:
        self._note_classes()
        return [cls.__qualname__ for cls in self._classes.values() if _is_equal_to_everything(cls)]

    def _is_in_package(self, cls: type) -> bool:
        """Whether the package defines how objects of this class are compared."""
        code = getattr(vars(cls).get("__eq__"), "__code__", None)
        return code is not None and code.co_filename.startswith(self._package)


def _call(frame: FrameType) -> str:
    """The call that this frame is, as one would write it: `count(text=None)`. Empty for an import."""
    code = frame.f_code
    if code.co_name == "<module>":
        return ""
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    values = {name: frame.f_locals[name] for name in names if name in frame.f_locals and name != "self"}
    arguments = ", ".join(f"{name}={_repr(value)}" for name, value in values.items())
    return f"{code.co_qualname.rpartition('<locals>.')[2]}({arguments})"


def _repr(value: object) -> str:
    """Functions and classes by their names, and without its address what has no repr of its own."""
    try:
        if inspect.isroutine(value) or isinstance(value, type):
            return value.__name__
        if type(value).__repr__ is object.__repr__:
            return f"<{type(value).__name__}>"
        return reprlib.repr(value)
    except Exception as error:  # a student's class may have a __repr__ that fails
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _subclasses(of: type) -> dict[int, type]:
    """All of them by id: a metaclass may say of any two classes that they are equal."""
    found: dict[int, type] = {}
    parents = [of]
    while parents:
        children: list[type] = []
        for parent in parents:
            children += type.__subclasses__(parent)
        new = {id(child): child for child in children if id(child) not in found}
        found |= new
        parents = list(new.values())
    return found


def _is_equal_to_everything(cls: type) -> bool:
    base: Any = next(parent for parent in cls.__mro__ if parent.__module__ == "builtins")
    try:
        return bool(base.__new__(cls) == object())
    except Exception:  # a comparison that fails does not call everything equal
        return False


def main(job_file: Path, parent: int | None = None) -> NoReturn:
    """Run the job, and exit with pytest's exit code. `parent` is the process to end with, by default the
    job's."""
    job = json.loads(job_file.read_text(encoding="utf-8", errors="surrogateescape"))
    limit_itself(**job["limits"])
    end_with_parent(**{**job["end"], **({} if parent is None else {"parent": parent})})
    watch = Watch(Path(job["started"]), Path(job["package"]))

    class Register:
        """Registers the watch under its name; pytest.main's `plugins` have no names."""

        @staticmethod
        def pytest_configure(config: pytest.Config) -> None:
            config.pluginmanager.register(watch, WATCH)

    sys.exit(int(pytest.main(job["arguments"], plugins=[Register()])))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
