"""A run's time is its own, and nothing of it outlives it or its grader."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from odev.grading import limited_process, process_group, watchdog
from odev.grading.limited_process import (
    Ended,
    Limits,
    RunsStopped,
    clean_environment,
    new_process,
    no_more_runs,
    run_limited,
)

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals and sessions are POSIX")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows how a thread waits")
LIMITS = Limits(seconds=10)


def run(source: str, folder: Path, limits: Limits = LIMITS) -> limited_process.Outcome:
    return run_limited(
        new_process([sys.executable, "-c", source], folder, clean_environment(folder, [])), limits
    )


def looks(*seen: tuple[float, float, bool, bool], limits: Limits = LIMITS) -> list[Ended | None]:
    """What the clock says at each look: (now, cpu, asleep, begun)."""
    clock = limited_process._Clock(limits)
    return [clock.look(now, cpu, asleep=asleep, begun=begun) for now, cpu, asleep, begun in seen]


def test_cpu_seconds_count_from_the_first_test() -> None:
    assert looks((0, 0, False, False), (9, 9, False, True), (20, 18.9, False, True)) == [None, None, None]
    assert looks((0, 0, False, False), (9, 9, False, True), (20, 19.1, False, True))[-1] is Ended.TIME


def test_starting_up_may_take_longer_than_the_tests() -> None:
    assert looks((0, 0, False, False), (30, 20, False, False)) == [None, None]
    assert looks((0, 0, False, False), (30, 26, False, False))[-1] is Ended.TIME


def test_sleep_counts_and_a_late_look_does_not() -> None:
    asleep = [(number * 5.0, 0.0, True, True) for number in range(11)]
    assert set(looks(*asleep)) == {None}  # fifty seconds in eleven looks
    awake_at_last = [(number * 0.1, 0.0, True, True) for number in range(102)]
    assert looks(*awake_at_last)[-1] is Ended.TIME


def test_a_run_whose_first_test_has_not_begun_in_a_minute_was_kept_waiting() -> None:
    assert looks((0, 0, False, False), (59, 3, False, False), (61, 3, False, False)) == [
        None,
        None,
        Ended.BUSY,
    ]


def test_the_minute_begins_with_the_first_test() -> None:
    assert looks((0, 0, False, False), (50, 3, False, True), (109, 4, False, True)) == [None, None, None]


@pytest.mark.parametrize(("platform", "ended"), [("linux", Ended.BUSY), ("darwin", Ended.WALL)])
def test_what_waited_for_the_computer_is_known_where_sleep_is(
    monkeypatch: pytest.MonkeyPatch, platform: str, ended: Ended
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert looks((0, 0, False, True), (61, 3, False, True))[-1] is ended


def test_a_long_limit_makes_the_wall_longer() -> None:
    assert (Limits(seconds=10).wall, Limits(seconds=60).wall) == (60, 180)


@linux_only
@pytest.mark.parametrize(
    ("source", "asleep"),
    [
        ("print(flush=True); import time; time.sleep(60)", True),
        ("print(flush=True)\nwhile True: pass", False),
        (
            "import threading\ndef work():\n    print(flush=True)\n    while True: pass\n"
            "thread = threading.Thread(target=work); thread.start(); thread.join()",
            False,
        ),
    ],
    ids=["sleeps", "works", "waits for a thread that works"],
)
def test_a_process_is_asleep_when_no_thread_of_it_wants_the_processor(source: str, asleep: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            one = psutil.Process(process.pid)
            if asleep:  # it may not have gone to sleep yet
                wait_for(lambda: process_group.are_asleep([one]))
            else:
                assert [process_group.are_asleep([one]) for _ in range(20)] == [False] * 20
        finally:
            process.kill()


@linux_only
def test_a_process_that_ends_while_it_is_looked_at_is_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "listdir", gone)
    monkeypatch.setattr(os, "scandir", gone)
    assert process_group.are_asleep([psutil.Process()])


class Seen(watchdog.Watchdog):
    """A watchdog that writes a file for each process that the grader has seen."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def watch(self, token: str, births: Sequence[tuple[int, float]]) -> None:
        super().watch(token, births)
        for pid, _ in births:
            (self._folder / str(pid)).touch()


SLEEPER = (
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], env={}, "
    "start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)"
)
UNTIL_SEEN = "print(pid, flush=True)\nwhile not os.path.exists(pid): time.sleep(0.01)\n"


def assert_ended(pid: int) -> None:
    assert not psutil.pid_exists(pid) or process_group.is_dead(pid)


@posix_only
def test_what_left_the_session_and_emptied_its_environment_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Seen(tmp_path)) as dog:
        monkeypatch.setattr(limited_process, "WATCHDOG", dog)
        outcome = run(f"import os, subprocess, sys, time\npid = str({SLEEPER}.pid)\n{UNTIL_SEEN}", tmp_path)
    assert outcome.ended is Ended.ITSELF
    assert_ended(int(outcome.output))


@linux_only
def test_an_orphan_with_an_empty_environment_is_not_lost_from_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parent ends at once, so it is nobody's child any more."""
    parent = f"import subprocess, sys; print({SLEEPER}.pid)"
    source = (
        "import os, subprocess, sys, time\nfrom odev.grading.process_group import end_with_parent\n"
        "end_with_parent(os.getppid(), 600)\n"
        f"ended = subprocess.run([sys.executable, '-c', {parent!r}], env={{}}, capture_output=True)\n"
        f"pid = ended.stdout.decode().strip()\n{UNTIL_SEEN}"
    )
    environment = clean_environment(tmp_path, [Path(process_group.__file__).parents[2]])
    with closing(Seen(tmp_path)) as dog:
        monkeypatch.setattr(limited_process, "WATCHDOG", dog)
        outcome = run_limited(new_process([sys.executable, "-c", source], tmp_path, environment), LIMITS)
    assert outcome.ended is Ended.ITSELF
    assert_ended(int(outcome.output))


GRADER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background
from pathlib import Path
from odev.grading import limited_process
from odev.grading.limited_process import Limits, clean_environment, new_process, run_limited

class Seen(limited_process.WATCHDOG.__class__):
    def watch(self, token, births):
        super().watch(token, births)
        if len(births) > 1:
            (folder / "seen").touch()

limited_process.WATCHDOG = Seen()
source = "import subprocess, sys, time\\n" \\
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], env={ENV},\\n" \\
    "                         start_new_session=True)\\n" \\
    "open('pid', 'w').write(str(child.pid)); time.sleep(600)"
folder = Path(sys.argv[1])
run_limited(new_process([sys.executable, "-c", source], folder, clean_environment(folder, [])), Limits())
"""


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@posix_only
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "SIGINT"])
@pytest.mark.parametrize("environment", ["None", "{}"], ids=["", "without the token"])
def test_a_run_ends_with_its_grader_however_that_ends(tmp_path: Path, how: str, environment: str) -> None:
    source = GRADER.replace("{ENV}", environment)
    with subprocess.Popen([sys.executable, "-c", source, str(tmp_path)], stderr=subprocess.DEVNULL) as grader:
        wait_for((tmp_path / "seen").is_file)
        wait_for(
            lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text(encoding="utf-8") != ""
        )
        child = psutil.Process(int((tmp_path / "pid").read_text(encoding="utf-8")))
        descendants = psutil.Process(grader.pid).children(recursive=True)
        grader.send_signal(signal.Signals[how])
    wait_for(lambda: not any(one.is_running() and one.status() != "zombie" for one in [child, *descendants]))


@linux_only
def test_a_process_asks_to_be_killed_with_its_parent() -> None:
    child = (
        "import os, time\nfrom odev.grading.process_group import end_with_parent\n"
        "end_with_parent(os.getppid(), 600)\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
    )
    source = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        grandchild = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    wait_for(lambda: not grandchild.is_running() or process_group.is_dead(grandchild.pid))


@posix_only
def test_a_process_ends_by_its_own_alarm() -> None:
    source = (
        "import os, time\nfrom odev.grading.process_group import end_with_parent\n"
        "end_with_parent(os.getppid(), 1)\ntime.sleep(600)"
    )
    assert (
        subprocess.run([sys.executable, "-c", source], check=False).returncode == -signal.Signals["SIGALRM"]
    )


def test_no_run_outlives_the_end_of_all_runs_and_none_begins(tmp_path: Path) -> None:
    outcomes: list[object] = []

    def endless() -> None:
        try:
            outcomes.append(
                run("open('pid', 'w').close()\nimport time\ntime.sleep(600)", tmp_path, Limits(600))
            )
        except RunsStopped:
            outcomes.append("stopped")

    thread = threading.Thread(target=endless)
    thread.start()
    wait_for((tmp_path / "pid").is_file)
    with no_more_runs():
        thread.join()
        with pytest.raises(RunsStopped):
            run("", tmp_path)
    assert outcomes == ["stopped"]
    assert run("", tmp_path).ended is Ended.ITSELF


class TestWatchdog:
    def test_ends_what_is_left_and_not_what_is_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ended: list[Any] = []
        monkeypatch.setattr(
            process_group, "end_left_over", lambda tokens, births: ended.append((set(tokens), births))
        )
        lines = [["a", [[1, 2.5]]], ["b", [[3, 4.5]]], ["b", [[3, 4.5], [5, 6.5]]], ["a", None]]
        watchdog.main([*map(json.dumps, lines), '["c", [[7'])
        assert ended == [({"b"}, [(3, 4.5), (5, 6.5)])]

    def test_leaves_a_process_alone_that_only_has_the_number(self) -> None:
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
            try:
                process_group.end_left_over([], [(process.pid, 1.0)])
                assert process.poll() is None
            finally:
                process.kill()

    def test_begins_anew_when_it_was_killed(self) -> None:
        dog = watchdog.Watchdog()
        try:
            dog.watch("a", [])
            assert dog._process is not None
            first = dog._process
            first.kill()
            first.wait()
            dog.watch("a", [])
            assert dog._process is not first
        finally:
            dog.close()


class TestOnWindows:
    """The platform's own calls are replaced: none of POSIX may be reached."""

    @pytest.fixture(autouse=True)
    def windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("killpg", "getsid", "nice", "getuid", "getppid"):
            monkeypatch.delattr(os, name, raising=False)
        for name in ("alarm", "SIGKILL"):
            monkeypatch.delattr(signal, name, raising=False)
        monkeypatch.setitem(sys.modules, "resource", None)
        monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
        monkeypatch.setattr(sys, "platform", "win32")

    def test_a_run_gets_a_group_of_its_own(self) -> None:
        assert process_group.popen_options() == {"creationflags": 0x200}

    def test_no_limit_of_the_kernels_is_asked_for(self) -> None:
        process_group.limit_itself(address_space=1, file=1, processes=1, seconds=1)
        process_group.end_with_parent(parent=1, seconds=1)

    def test_there_is_no_session_and_no_sleep(self) -> None:
        process_group.kill_session(1)
        assert process_group.in_session(os.getpid()) == []
        assert process_group.are_asleep([psutil.Process()]) is False

    def test_the_processes_of_a_run_are_the_descendants_of_its_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Number 9 is older than its parent: it has the number of a process that ended."""
        born = {1: (0, 10.0), 2: (1, 11.0), 3: (2, 12.0), 8: (7, 11.0), 9: (1, 5.0)}
        processes = {pid: fake_process(pid, parent, at) for pid, (parent, at) in born.items()}
        monkeypatch.setattr(psutil, "Process", processes.__getitem__)
        monkeypatch.setattr(psutil, "process_iter", lambda: iter(processes.values()))
        family = process_group.Family(1, "token")
        assert sorted(process.pid for process in family.look()) == [1, 2, 3]
        family.end()
        assert {pid for pid, process in processes.items() if not process.is_running()} == {1, 2, 3}


def fake_process(pid: int, parent: int, born: float) -> Any:
    alive = [True]
    return SimpleNamespace(
        pid=pid,
        ppid=lambda: parent,
        create_time=lambda: born,
        is_running=lambda: alive[0],
        status=lambda: "running",
        kill=lambda: alive.__setitem__(0, False),
        environ=dict,
    )
