"""Tries sources of one module, each in a fork of a process that has imported everything else already.

`python -m odev.author.forks job.json`; only mutants.py starts it, on systems that can fork. Not a place for
students' code: nothing but time is limited.
"""

from __future__ import annotations

import compileall
import contextlib
import importlib
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

POSSIBLE = hasattr(os, "fork")


def main(job_file: Path) -> None:
    """Write for each source whether the tests pass with it."""
    job = json.loads(job_file.read_text(encoding="utf-8"))
    package, module = Path(job["package"]), Path(job["module"])
    compileall.compile_dir(str(package), quiet=2)
    Path(importlib.util.cache_from_source(str(module))).unlink()  # its source changes within a second
    importlib.import_module(module.relative_to(package).parts[0])
    pytest.main([*job["arguments"], "--collect-only"])
    tests = [Path(argument).parents[1] for argument in job["arguments"] if argument.endswith(".py")]
    _forget_modules([package, *tests])
    passes = []
    for source in job["sources"]:
        module.write_text(source, encoding="utf-8")
        passes.append(_passes([*job["arguments"], "--exitfirst"], job["seconds"]))
    Path(job["results"]).write_text(json.dumps(passes), encoding="utf-8")


def _forget_modules(folders: Sequence[Path]) -> None:
    """Those of the package and of the tests are imported anew in each fork; all others stay."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).is_relative_to(folder) for folder in folders):
            del sys.modules[name]


def _passes(arguments: list[str], seconds: int) -> bool:
    if sys.platform == "win32":
        raise RuntimeError("Windows has no fork")
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.alarm(seconds)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os._exit(pytest.main(arguments))
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what the tests have left running
    return os.waitstatus_to_exitcode(status) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
