"""Lets one program live through the exam's day: starts it for each scene, changes what the script says
between its steps, and counts.

Each scene is a limited process of its own (grading/limited_process.py): one that crashes, hangs or ends
itself loses its own scene. Not here: the script (day.py), the program (program.py).
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac

from odev.classroom.api import APIServer, ClassroomAPI
from odev.classroom.vault import KEY_PATH, VaultInfo, VaultServer
from odev.course.course import CourseError
from odev.course.files import temporary_folder
from odev.exam import day, program
from odev.exam.day import SCENES, Scene, Step, as_json
from odev.exam.facts import Counts, Day, Report, count, count_logged, leaks, read_report
from odev.exam.installed import beside_the_course
from odev.grading import process_group
from odev.grading.limited_process import Ended, Limits, Outcome, clean_environment, new_process, run_limited
from odev.grading.steps import threads_of_this_user

LIMITS = Limits(seconds=45.0)  # of a scene, which needs three to ten
_LARGEST_LINE = 200_000  # bytes of one report
_LARGEST_LOG = 50_000_000
LOG = "chat_api.log"


class Busy(CourseError):
    """The computer had no time for the program, so nothing is known of it."""

    def __init__(self) -> None:
        super().__init__(
            "Bilgisayar çok meşguldü, sınav bitemedi; bu, kodun yanlış demek değil. Öteki programlar bitince "
            "yeniden dene."
        )


@dataclass
class Servers:
    """What the program talks to: an API, and a Vault where it has one. It is day.Stage.

    `secrets` are those that may be seen nowhere: first the program's password of a database.
    """

    api: ClassroomAPI
    vault_server: VaultServer | None
    vault: VaultInfo | None
    secrets: list[str]

    def begin(self) -> None:
        """As new, for a scene; a Vault that is sealed stays so."""
        self.api.reset()
        if self.vault is not None:
            self.vault.put_key(self.api.key)

    def rotate(self) -> None:
        new = _new_key()
        self.secrets.append(new)
        if self.vault is not None:
            self.vault.put_key(new)
        self.api.settings(keys=[new])

    def seal(self) -> None:
        if self.vault is not None:
            hvac.Client(self.vault.address, token=self.vault.root_token).sys.seal()

    def environment(self) -> dict[str, str]:
        """What tells the program where all is. With a Vault, the key is only there."""
        own = {"OPENAI_BASE_URL": self.api.base_url, "DATABASE_PASSWORD": self.secrets[0]}
        return own | (self.vault.environment() if self.vault else {"OPENAI_API_KEY": self.api.key})

    def vault_reads(self) -> int:
        """How often the key was read."""
        entries = self.vault_server.audit() if self.vault_server is not None else []
        wanted = ("read", f"secret/data/{KEY_PATH}")
        return sum(
            (entry["request"]["operation"], entry["request"]["path"]) == wanted and not entry.get("error")
            for entry in entries
        )


@contextmanager
def servers(*, with_vault: bool) -> Iterator[Servers]:
    """Servers of this lane's own, until the end of the block."""
    with ExitStack() as stack:
        key = _new_key()
        api_server = APIServer(key)
        stack.callback(api_server.stop)
        api = api_server.start()
        vault_server = VaultServer() if with_vault else None
        vault = None
        if vault_server is not None:
            stack.callback(vault_server.stop)
            vault = vault_server.start(key)
        known = [secrets.token_hex(8), key] + ([vault.secret_id] if vault is not None else [])
        yield Servers(api, vault_server, vault, known)


def _new_key() -> str:
    return f"sk-exam-{secrets.token_hex(20)}"


def live(
    python: Path,
    scripts: Mapping[str, str],
    limits: Limits = LIMITS,
    scenes: Sequence[Scene] = SCENES,
    progress: Callable[[], None] = lambda: None,
) -> Day:
    """The day of one program: of the package in the environment of `python`, or of the course's unsafe
    `scripts`, which have no Vault. `progress` is called after each scene. Raises Busy.
    """
    steps: dict[str, Counts] = {}
    problems: dict[str, str] = {}
    places: dict[str, list[str]] = {"hatalarda": [], "ekranda": [], "dosyalarda": []}
    ended = logged = 0
    with servers(with_vault=not scripts) as stage:
        for scene in scenes:
            with temporary_folder() as work:
                played = _play(scene, python, scripts, stage, work, limits)
                lines = _lines(work / LOG)
                places["dosyalarda"] += _texts(work)
            steps |= played.steps
            places["hatalarda"] += [report.held + report.message for report in played.reports]
            places["ekranda"].append(played.outcome.output)
            ended += len(played.reports)
            logged += count_logged(lines, played.reports)
            if problem := _why_broken_off(played, limits):
                problems[scene.hour] = problem
            progress()
        return Day(
            steps,
            ended,
            logged,
            leaks(stage.secrets, places),
            stage.vault_reads(),
            problems,
        )


@dataclass
class _Played:
    """A scene that is over, or under way."""

    outcome: Outcome
    steps: dict[str, Counts] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    begun: bool = False
    whole: bool = False


def _play(
    scene: Scene, python: Path, scripts: Mapping[str, str], stage: Servers, work: Path, limits: Limits
) -> _Played:
    played = _Played(Outcome(Ended.ITSELF, 0, ""))
    stage.begin()
    with socket.create_server(("127.0.0.1", 0)) as listener, temporary_folder() as control:
        job = _job(scene, scripts, listener.getsockname()[1], limits)
        job_file = control / "job.json"
        job_file.write_text(json.dumps(job), encoding="utf-8")
        over = threading.Event()
        failures: list[BaseException] = []

        def conduct() -> None:
            try:
                _conduct(scene, listener, over, stage, played)
            except BaseException as error:
                failures.append(error)

        conductor = threading.Thread(target=conduct, daemon=True)
        conductor.start()
        try:
            played.outcome = run_limited(
                new_process(
                    [str(python), "-I", "-B", "-X", "utf8", program.__file__, str(job_file)],
                    work,
                    {**clean_environment(work, []), **stage.environment()},
                ),
                limits,
                lambda: played.begun,
            )
        finally:
            over.set()
            conductor.join()
    if failures:
        raise failures[0]
    if played.outcome.ended is Ended.BUSY:
        raise Busy
    for step in scene.steps:
        played.steps.setdefault(step.name, Counts(step.calls))
    return played


def _job(scene: Scene, scripts: Mapping[str, str], port: int, limits: Limits) -> dict[str, Any]:
    return {
        "port": port,
        "installed": beside_the_course(),
        "scripts": dict(scripts),
        "options": {"cooldown": day.COOLDOWN, **scene.options},
        "process_group": process_group.__file__,
        "limits": {
            "address_space": 2 * limits.memory,
            "file": limits.file,
            "processes": 512 + threads_of_this_user(),
            "seconds": int(2 * limits.seconds) + 60,
        },
        "end": {"parent": os.getpid(), "seconds": int(2 * limits.wall) + 60},
    }


def _conduct(
    scene: Scene, listener: socket.socket, over: threading.Event, stage: Servers, played: _Played
) -> None:
    """Wait for the program, then let it make the calls of each step; it ends when the line is closed."""
    listener.settimeout(0.2)
    while True:
        try:
            line, _ = listener.accept()
            break
        except TimeoutError:
            if over.is_set():
                return
    with line, line.makefile("rb") as answers:
        line.settimeout(None)
        if _read(answers).get("ready") is not True:
            return
        played.begun = True
        for step in scene.steps:
            if not _conduct_step(step, line, answers, stage, played):
                return
        played.whole = True


def _conduct_step(step: Step, line: socket.socket, answers: Any, stage: Servers, played: _Played) -> bool:
    """Whether the program has made all calls of the step."""
    stage.api.mend()
    stage.api.forget_verdict()
    step.prepare(stage)
    time.sleep(step.pause)
    reports: list[Report] = []
    is_done = False
    with suppress(OSError):
        line.sendall(f"{as_json(step)}\n".encode())
        while fields := _read(answers):
            if fields.get("done") == step.name:
                is_done = True
                break
            report = read_report(fields)
            if report is not None and len(reports) < program.MOST_ASKED * step.calls:
                reports.append(report)
    played.reports += reports
    findings = [finding["code"] for finding in stage.api.verdict()["findings"]]
    played.steps[step.name] = count(step, reports, stage.api.requests(), findings)
    return is_done


def _read(answers: Any) -> Mapping[str, Any]:
    """The fields of the program's next line; none where it has gone, or writes what is no report."""
    try:
        fields = json.loads(answers.readline(_LARGEST_LINE) or "{}")
    except (OSError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _lines(log: Path) -> list[str]:
    with suppress(OSError):
        with log.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_LARGEST_LOG).splitlines()
    return []


def _texts(work: Path) -> list[str]:
    """What the program has written into its folder."""
    texts = []
    for path in sorted(work.rglob("*")):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                with path.open(encoding="utf-8", errors="replace") as stream:
                    texts.append(stream.read(_LARGEST_LOG))
    return texts


_ENDS = {
    Ended.TIME: "program {seconds:g} saniyede bitmedi: sonsuz döngü ya da hiç gelmeyen bir cevap olabilir",
    Ended.WALL: "program {seconds:g} saniyede bitmedi: sonsuz döngü ya da hiç gelmeyen bir cevap olabilir",
    Ended.MEMORY: "program çok fazla bellek istedi",
    Ended.OUTPUT: "program çok fazla çıktı yazdı",
    Ended.PROCESSES: "program çok fazla process başlattı",
}


def _why_broken_off(played: _Played, limits: Limits) -> str:
    """Why the scene did not come to its end (Turkish); empty where it did."""
    if played.whole:
        return ""
    if played.outcome.ended is not Ended.ITSELF:
        return _ENDS[played.outcome.ended].format(seconds=limits.seconds)
    lines = played.outcome.output.strip().splitlines()
    what = "program yarıda kapandı" if played.begun else "program başlayamadı"
    return f"{what}: {' '.join(lines[-1].split())[:200]}" if lines else what
