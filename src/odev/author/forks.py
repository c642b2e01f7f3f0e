"""Runs the tests with several sources of one module, each in a fork of a process that has imported everything
else already.

`python -m odev.author.forks job.json`; only tries.py starts it, on systems that can fork. Not a place for
students' code: a run's files are not watched from outside, as grading/limited_process.py does it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from odev.grading import inside

POSSIBLE = hasattr(os, "fork")


def main(job_file: Path) -> None:
    """Write for each try the exit code of its process; each has left its report besides."""
    job = json.loads(job_file.read_text(encoding="utf-8", errors="surrogateescape"))
    package, module, tests = Path(job["package"]), Path(job["module"]), Path(job["tests"])
    importlib.import_module(module.relative_to(package).parts[0])
    sys.dont_write_bytecode = False  # so that pytest keeps the tests as it has rewritten them
    pytest.main([*job["collect"], "--collect-only"])
    sys.dont_write_bytecode = True
    Path(importlib.util.cache_from_source(str(module))).unlink(missing_ok=True)  # of another source
    _forget_modules([package, tests])
    gc.collect()
    gc.freeze()  # a collection in a fork looks at the fork's own objects alone
    codes = []
    for one in job["tries"]:
        module.write_text(one["source"], encoding="utf-8")
        codes.append(_run_in_fork(one, job["seconds"]))
    Path(job["results"]).write_text(json.dumps(codes), encoding="utf-8")


def ran_out_of_time(code: int) -> bool:
    """Whether the process with this exit code was ended by its alarm."""
    return sys.platform != "win32" and code == -signal.SIGALRM


def _forget_modules(folders: Sequence[Path]) -> None:
    """Those of the package and of the tests are imported anew in each fork; all others stay."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).is_relative_to(folder) for folder in folders):
            del sys.modules[name]


def _run_in_fork(one: Mapping[str, Any], seconds: int) -> int:
    if sys.platform == "win32":
        raise RuntimeError("Windows has no fork")
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.setsid()
        output = os.open(one["output"], os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(one["work"])
        os.environ.update(one["environment"])
        tempfile.tempdir = None  # it is that of the environment
        os._exit(inside.run({**one["job"], "end": {"parent": parent, "seconds": seconds}}))
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what the tests have left running
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
