"""A child process keeps its last records, however its parent started it."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from processes import OF_FORKS, environment

RECORDS = 20
CHILD = """
import logging
from safechat import configure_logging

def work(path, configured, number=0):
    if configured:
        configure_logging(path)
    for number in range(20):
        logging.getLogger("safechat").info("child")
"""


def run(tmp_path: Path, program: str) -> Counter[str]:
    """The events in the log after `program`, which imports CHILD as `child` and has `path`."""
    path = tmp_path / "chat.log"
    (tmp_path / "child.py").write_text(CHILD, encoding="utf-8")
    (tmp_path / "program.py").write_text(f"path = {str(path)!r}\n{program}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", OF_FORKS, str(tmp_path / "program.py")],
        cwd=tmp_path, timeout=100, env=environment(), capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return Counter(json.loads(line)["event"] for line in path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_child_of_multiprocessing_keeps_its_last_records(method: str, tmp_path: Path) -> None:
    program = f"""
import multiprocessing
from child import work
if __name__ == "__main__":
    child = multiprocessing.get_context({method!r}).Process(target=work, args=(path, True))
    child.start()
    child.join()
    assert child.exitcode == 0
"""
    assert run(tmp_path, program) == {"child": RECORDS}


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_child_that_imports_safechat_late_keeps_them_too(method: str, tmp_path: Path) -> None:
    program = f"""
import multiprocessing

def late():
    from child import work
    work(path, True)

if __name__ == "__main__":
    child = multiprocessing.get_context({method!r}).Process(target=late)
    child.start()
    child.join()
    assert child.exitcode == 0
"""
    assert run(tmp_path, program) == {"child": RECORDS}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_writes_to_the_log_of_its_parent_and_repeats_nothing(tmp_path: Path) -> None:
    program = """
import logging
import multiprocessing
from child import work
from safechat import configure_logging

with configure_logging(path):
    logging.getLogger("safechat").info("parent")
    children = [multiprocessing.get_context("fork").Process(target=work, args=(path, False)) for _ in "abc"]
    for child in children:
        child.start()
    for child in children:
        child.join()
"""
    assert run(tmp_path, program) == {"parent": 1, "child": 3 * RECORDS}


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_the_workers_of_a_process_pool_keep_their_last_records(method: str, tmp_path: Path) -> None:
    program = f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from child import work

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(partial(work, path, True), range(3)))
"""
    assert run(tmp_path, program) == {"child": 3 * RECORDS}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_worker_as_gunicorn_forks_it_keeps_its_last_records(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from child import work
from safechat import configure_logging

configure_logging(path)
ready, tell = os.pipe()
worker = os.fork()
if worker == 0:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    work(path, False)
    os.write(tell, b"x")
    signal.pause()
os.read(ready, 1)
os.kill(worker, signal.SIGTERM)
assert os.waitpid(worker, 0)[1] == 0
"""
    assert run(tmp_path, program) == {"child": RECORDS}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_forks_in_the_middle_of_writing_tear_no_line_and_repeat_none(tmp_path: Path) -> None:
    program = """
import logging, os, threading
from safechat import configure_logging

with configure_logging(path, max_bytes=0):
    logger = logging.getLogger("safechat")
    ended = threading.Event()

    def log():
        for number in range(5000):
            logger.info("parent")
        ended.set()

    threading.Thread(target=log).start()
    while True:
        over = ended.is_set()
        child = os.fork()
        if child == 0:
            logger.info("child")
            raise SystemExit(0)
        assert os.waitpid(child, 0)[1] == 0
        with open("forks", "a") as forks:
            forks.write("x")
        if over:
            break
"""
    events = run(tmp_path, program)
    assert events == {"parent": 5000, "child": len((tmp_path / "forks").read_text(encoding="utf-8"))}
