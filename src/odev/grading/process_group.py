"""What the operating system is asked about a run's processes: one function for each question.

POSIX and Windows stand side by side here, so that no other module asks which of them
it is on. On Windows there is no session, no signal and no limit of the kernel's: the
run's processes are then the descendants of its first process, as psutil knows them.
A process whose parent ended before anybody looked is not found by that, only by the
token in its environment; and time, memory and the number of processes are watched
from outside alone. Not here: the limits, and when a run ends (limited_process.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

TOKEN = "ODEV_RUN"  # a process that inherits this variable belongs to the run, also in another session
# Of <sys/prctl.h>: PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER.
_DEATH_SIGNAL, _ADOPT_ORPHANS = 1, 36


def popen_options() -> dict[str, Any]:
    """For subprocess.Popen: the process gets a session (POSIX) or a group (Windows) of its own, which Ctrl-C
    in the terminal does not reach."""
    if sys.platform == "win32":
        import subprocess

        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def in_session(leader: int) -> list[int]:
    """The living processes of the session that this process leads; empty on Windows."""
    if sys.platform == "win32":
        return []
    return [pid for pid in psutil.pids() if _session_of(pid) == leader and not is_dead(pid)]


def _session_of(pid: int) -> int:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            return os.getsid(pid)
    return -1


def kill_session(leader: int) -> None:
    """Kill the process group that this process leads, in one call, so that forking is no way out of it."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def is_dead(pid: int) -> bool:
    """Whether it has ended. It stays in the list until its parent asks, which in a container may be never."""
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return True


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Processor time of these processes; on Linux also of their children that have ended."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
            total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def memory(processes: Iterable[psutil.Process]) -> int:
    """Bytes of physical memory; memory that processes share is counted once for each of them."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def are_asleep(processes: Iterable[psutil.Process]) -> bool:
    """Whether no thread of these processes runs, waits for a processor or waits for a disk.

    Always False where the system does not show that: only Linux does, thread by thread.
    """
    if sys.platform != "linux":
        return False
    return not any(state in "RD" for process in processes for state in _thread_states(process.pid))


def _thread_states(pid: int) -> Iterator[str]:
    """One letter for each thread, the field behind the name in brackets (proc_pid_stat(5))."""
    threads: list[Path] = []
    with contextlib.suppress(OSError):  # it has ended
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    for thread in threads:
        with contextlib.suppress(OSError, IndexError):
            stat = (thread / "stat").read_text(encoding="utf-8", errors="replace")
            yield stat.rpartition(")")[2].split()[0]


def limit_itself(address_space: int, file: int, processes: int, seconds: int) -> None:
    """Limit this process and its children: bytes of memory and of one file, seconds of CPU.

    `processes` counts all processes of this user; root has no such limit. Windows has none of these.
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


def inherited_by_forks(process: psutil.Process) -> tuple[object, ...]:
    """What another process of this user can change, and forks then get: priority, processors, limits. Empty
    where the system is not Linux."""
    if sys.platform != "linux":
        return ()
    limits = sorted(value for name, value in vars(psutil).items() if name.startswith("RLIMIT_"))
    return (
        process.nice(),
        process.cpu_affinity(),
        os.sched_getscheduler(process.pid),
        *map(process.rlimit, limits),
    )


def end_with_parent(parent: int, seconds: int) -> None:
    """Have this process killed when its parent ends (Linux), and after so many seconds at the latest (POSIX).

    On Linux it also becomes the parent of those among its descendants whose own parent ends: while it lives,
    none of them is lost from sight. On Windows, and for what this process starts, the watchdog does it
    (watchdog.py).
    """
    if sys.platform == "win32":
        return
    signal.alarm(seconds)
    if sys.platform == "linux":
        _prctl(_DEATH_SIGNAL, signal.SIGKILL)
        adopt_orphans()
        if os.getppid() != parent:  # it ended before these calls
            os._exit(1)


def adopt_orphans() -> None:
    """Make this process the parent of those among its descendants whose own parent ends (Linux)."""
    if sys.platform == "linux":
        _prctl(_ADOPT_ORPHANS, 1)


def _prctl(what: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(what, int(value), 0, 0, 0)


class Family:
    """A run's first process and everything that it started, remembered also when it has left the session."""

    def __init__(self, leader: int, token: str) -> None:
        self._leader = leader
        self._token = token
        self._known: dict[int, psutil.Process] = {}
        self._next_search = 0.0
        self._add([leader])

    def look(self) -> list[psutil.Process]:
        """Those that live now. A search among all processes is costly, so it takes at most a tenth of the
        time; between two searches only the session is looked at."""
        self._add(in_session(self._leader))
        if (started := time.monotonic()) >= self._next_search:
            self._search()
            self._next_search = started + 10 * (time.monotonic() - started)
        return self.living()

    def living(self) -> list[psutil.Process]:
        """Those among the known ones that live; a process that got the number of one of them is not one."""
        return [
            process for process in self._known.values() if process.is_running() and not is_zombie(process)
        ]

    def births(self) -> list[tuple[int, float]]:
        """The number and the time of birth of each that lives: what the watchdog needs to know them by."""
        births = []
        for process in self.living():
            with contextlib.suppress(psutil.Error):
                births.append((process.pid, process.create_time()))
        return births

    def end(self) -> None:
        """Kill them all, also those that nobody has seen so far, until none is left."""
        for _ in range(200):
            session = in_session(self._leader)
            if session:  # else its number may be another group's by now
                kill_session(self._leader)
            self._add([*session, *_with_tokens({self._token})])
            self._search()
            left = self.living()
            if not left:
                return
            kill(left)
            time.sleep(0.01)

    def _add(self, pids: Iterable[int]) -> None:
        for pid in pids:
            known = self._known.get(pid)
            if known is None or not known.is_running():
                with contextlib.suppress(psutil.Error):
                    self._known[pid] = psutil.Process(pid)

    def _search(self) -> None:
        """Add the children of those that live, and their children. A child is not older than its parent: a
        parent that is, has the number of one that ended (Windows keeps the old number)."""
        children: dict[int, list[psutil.Process]] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                children.setdefault(process.ppid(), []).append(process)
        pending = self.living()
        while pending:
            parent = pending.pop()
            with contextlib.suppress(psutil.Error):
                born = parent.create_time()
                for child in children.get(parent.pid, ()):
                    if child.pid not in self._known and child.create_time() >= born:
                        self._known[child.pid] = child
                        pending.append(child)


def is_zombie(process: psutil.Process) -> bool:
    """Whether it has ended, and its parent has not asked yet."""
    with contextlib.suppress(psutil.Error):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


def kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def end_left_over(tokens: Collection[str], births: Collection[tuple[int, float]]) -> None:
    """Kill the processes that have one of the tokens in their environment or are among those births, with
    all that they started, until none is left."""
    for _ in range(200):
        left = [psutil.Process(pid) for pid in _with_tokens(tokens)] if tokens else []
        for pid, born in births:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.create_time() == born and not is_zombie(process):
                    left += [process, *process.children(recursive=True)]
        if not left:
            return
        kill(left)
        time.sleep(0.01)


def _with_tokens(tokens: Collection[str]) -> list[int]:
    pids = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if not is_zombie(process) and process.environ().get(TOKEN) in tokens:
                pids.append(process.pid)
    return pids
