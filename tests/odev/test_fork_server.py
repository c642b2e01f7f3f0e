"""A run in a fork says what a run in a process says; it leaves nothing behind, and finds no solution."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

import mini_course as mini
from odev.course.course import Course, Task
from odev.grading import fork_server, process_group
from odev.grading.course_copies import Copies, CourseCopy, copies
from odev.grading.junit import Run
from odev.grading.limited_process import Ended, Limits
from odev.grading.steps import run_tests

pytestmark = pytest.mark.skipif(not fork_server.POSSIBLE, reason="only Linux has what a fork server needs")
LIMITS = Limits(seconds=2)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return mini.mini_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def in_forks(course: Course) -> Iterator[Copies]:
    with copies(course, in_forks=True) as made:
        yield made


def run(made: Copies, task: Task, cell: str) -> Run:
    with made.changed(task, cell) as copy:
        return run_tests(copy, [task.id], LIMITS)


def greet(body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"#| odev 1.1 words.greet\ndef greet(name):\n{lines}"


RIGHT = "return f\"Merhaba {name or 'herkes'}\""
CELLS = {
    "the stub": mini.GREET_STUB,
    "right": mini.GOOD_GREET,
    "never ends": mini.NEVER_ENDS,
    "stops early": greet("import os\nos._exit(3)"),
    "exits": greet("raise SystemExit(4)"),
    "much output": greet("print('x' * 20_000_000)\nreturn 'x'"),
    "a thread that never ends": greet(
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + RIGHT
    ),
    "at exit": greet("import atexit, os\natexit.register(os._exit, 5)\n" + RIGHT),
    **{name: text for name, text in mini.WRONG.items() if name.startswith("1.1")},
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_it_says_what_a_run_in_a_process_says(course: Course, in_forks: Copies, cell: str) -> None:
    task = course.tasks[0]
    forked = run(in_forks, task, cell)
    with copies(course) as made:
        alone = run(made, task, cell)
    # The last test of a whole run is a canary, which has a random name.
    assert replace(forked, output="", running="") == replace(alone, output="", running="")


def test_what_an_answer_changes_in_python_does_not_outlive_its_run(course: Course, in_forks: Copies) -> None:
    spoils = "import builtins, json, sys\nbuiltins.len = json.dumps = None\nsys.modules['re'] = None\n"
    task = course.tasks[0]
    assert run(in_forks, task, greet(spoils + RIGHT)).ended is Ended.ITSELF
    assert len(run(in_forks, task, mini.GOOD_GREET).passed) == 2


def test_no_solution_is_in_the_memory_of_the_process_that_forks(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    module = course.module(course.tasks[0])
    module.write_text(f"{mini.MODULE}\nimport sys\nsys.kept = greet  # as a callback of a library\n", "utf-8")
    mini.write(course.steps / "test_01_words.py", f"import safechat.words\n{mini.STEPS_1}")
    looks = (
        "import gc\ngc.unfreeze()\nall_of_them = ''.join(['her', 'kes'])\n"
        "codes = [getattr(one, '__code__', None) for one in gc.get_objects()]\n"
        "texts = [str(code.co_consts) for code in codes if getattr(code, 'co_name', '') == 'greet']\n"
        "assert not any(all_of_them in text for text in texts)\n"
        "return f'Merhaba {name or all_of_them}'"
    )
    with copies(course, in_forks=True) as made:
        assert len(run(made, course.tasks[0], greet(looks)).passed) == 2


def test_an_answer_that_kills_the_server_harms_its_own_run_alone(course: Course, in_forks: Copies) -> None:
    task = course.tasks[0]
    kills = greet("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n" + RIGHT)
    killed = run(in_forks, task, kills)
    assert (killed.passed, killed.spoilt) == (frozenset(), True)
    assert len(run(in_forks, task, mini.GOOD_GREET).passed) == 2


@pytest.mark.parametrize(
    "harms",
    [
        "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (5, 5))",
        "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
        "os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0))",
    ],
)
def test_an_answer_that_limits_the_server_harms_its_own_run_alone(
    course: Course, in_forks: Copies, harms: str
) -> None:
    task = course.tasks[0]
    assert run(in_forks, task, greet(f"import os, resource\n{harms}\n{RIGHT}")).spoilt
    assert len(run(in_forks, task, mini.GOOD_GREET).passed) == 2


def test_a_server_that_an_answer_has_stopped_is_not_waited_for(course: Course, in_forks: Copies) -> None:
    task = course.tasks[0]
    stops = greet("import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\n" + RIGHT)
    stopped = run(in_forks, task, stops)
    assert (stopped.ended, stopped.spoilt) == (Ended.ITSELF, True)
    assert len(run(in_forks, task, mini.GOOD_GREET).passed) == 2


LEAVES = """import os, subprocess, sys
subprocess.Popen([sys.executable, '-c', 'import os, time; os.setsid(); time.sleep(600)'], env={},
                 start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


def test_nothing_that_it_started_is_left(course: Course, in_forks: Copies) -> None:
    with in_forks.changed(course.tasks[0], greet(LEAVES + RIGHT)) as copy:
        assert len(run_tests(copy, [course.tasks[0].id], LIMITS).passed) == 2
        assert server_of(copy).children(recursive=True) == []


def server_of(copy: CourseCopy) -> psutil.Process:
    assert copy.server is not None
    return copy.server.process


def test_a_fork_server_that_does_not_begin_leaves_processes(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise OSError("no process can begin")

    monkeypatch.setattr(fork_server, "serving", fails)
    with copies(course, in_forks=True) as made:
        assert len(run(made, course.tasks[0], mini.GOOD_GREET).passed) == 2


GRADER = """
import sys, time
from pathlib import Path
from odev.course.course import Course
from odev.grading.course_copies import copies
with copies(Course(Path(sys.argv[1])), in_forks=True) as made, made.with_modules({}) as copy:
    print(copy.server.process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_the_server_ends_with_the_grader(course: Course, how: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(fork_server.__file__).parents[2])}
    command = [sys.executable, "-c", GRADER, str(course.root)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as grader:
        assert grader.stdout is not None
        server = psutil.Process(int(grader.stdout.readline()))
        grader.send_signal(signal.Signals[how])
    end = time.monotonic() + 60
    while server.is_running() and not process_group.is_zombie(server):
        assert time.monotonic() < end, "it is still there"
        time.sleep(0.05)
