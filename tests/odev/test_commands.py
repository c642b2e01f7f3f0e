"""The commands, as a person runs them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner, Result

import mini_course as mini
from odev.__main__ import app
from odev.course.course import Course
from real_service import RealService, real_service

SRC = Path(__file__).parents[2] / "src"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    course = mini.mini_course(tmp_path / "course")
    mini.write(
        course.root / "pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["-podev.pytest_plugin"]\n'
    )
    return course


@pytest.fixture
def service() -> Iterator[RealService]:
    with real_service() as running:
        yield running


def odev(
    course: Course, *arguments: str, module: str = "odev", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=course.root,
        env={
            **os.environ,
            **(environment or {}),
            "PYTHONPATH": str(SRC),
            "PYTHONUTF8": "1",
            "COLUMNS": "150",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # the steps of this course use none
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def in_this_process(course: Course, command: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """As `odev`, without the second that a new Python and its imports take."""
    monkeypatch.chdir(course.root)
    environment = {"COLUMNS": "150", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return CliRunner().invoke(app, command.split(), env=environment, prog_name="odev")


def test_check_shows_points_and_hints_and_its_exit_code_tells(course: Course) -> None:
    mini.write(course.lessons / "01_words.ipynb", mini.notebook(mini.WRONG["1.1_never_all"], mini.GOOD_COUNT))
    done = odev(course, "check", "1")
    assert done.returncode == 1, done.stderr
    assert "İpucu: isim boşsa herkese selam ver" in done.stdout
    assert "Toplam 6/10 puan." in done.stdout
    assert odev(course, "check", "1.2").returncode == 0


def test_status_shows_what_is_next(course: Course) -> None:
    done = odev(course, "status")
    assert "Toplam 0/20 puan. Sıradaki: 1.1 words.greet" in done.stdout, done.stderr
    assert "yazdığın görevler sınanıyor, bir dakika sürebilir: 3/3" in done.stderr


def test_grade_writes_every_file(course: Course) -> None:
    mini.submission(course.root / "in" / "ayşe", mini.GOOD_GREET)
    mini.submission(
        course.root / "in" / "veli", "#| odev 1.1 words.greet\ndef greet(name):\n    import os; os._exit(0)"
    )
    mini.write(course.root / "names.csv", "Ayşe\nVeli\nZeynep Ak\n")
    mini.write(course.root / "moodle.csv", "Identifier,Full name,Grade\nParticipant 7,Ayşe,\n")
    options = ["--gradescope", "--feedback", "--same-answers", "--partial", "--late", "10%/gün", "--excel-tr"]
    options += ["--roster", "names.csv", "--moodle", "moodle.csv", "--deadline", "2099-01-01"]
    done = odev(course, "grade", "in", "--out", "out", "--lesson", "1", *options)
    assert done.returncode == 0, done.stderr
    assert "4/10" in done.stdout
    assert "1.1: testler bitmeden process kapandı" in done.stdout
    assert "Zeynep Ak: teslim yok" in done.stdout
    out = course.root / "out"
    assert [graded["score"] for graded in json.loads((out / "grades.json").read_text("utf-8"))] == [4, 0, 0]
    assert (out / "grades.csv").is_file()
    assert (out / "gradescope" / "Ayşe" / "results.json").is_file()
    assert (out / "feedback" / "Zeynep Ak.html").is_file()
    assert "Participant 7,Ayşe,4" in (out / "moodle.csv").read_text("utf-8")
    assert (out / "same_answers.md").is_file()
    assert "name;score;points;task 1.1;" in (out / "grades.csv").read_text("utf-8-sig")


def test_check_and_grade_stay_on_this_machine_whatever_their_user_has_set(
    course: Course, service: RealService
) -> None:
    environment = {**service.environment(), "PYTHONWARNINGS": "error"}
    mini.write(course.lessons / "01_words.ipynb", mini.notebook(mini.FETCHES))
    mini.submission(course.root / "in" / "ayşe", mini.FETCHES)
    checked = odev(course, "check", "1.1", environment=environment)
    graded = odev(course, "grade", "in", "--out", "out", "--lesson", "1", environment=environment)
    assert (checked.returncode, graded.returncode) == (0, 0), checked.stdout + checked.stderr + graded.stderr
    (student,) = json.loads((course.root / "out" / "grades.json").read_text("utf-8"))
    assert (student["score"], service.connections) == (4, 0)


def test_grade_says_that_it_is_no_sandbox(course: Course) -> None:
    assert "sandbox değil" in " ".join(odev(course, "grade", "--help").stdout.split())


def test_verify_names_each_problem_and_fails(course: Course) -> None:
    done = odev(course, "verify", "--lesson", "2", "--mutants")
    assert (done.returncode, "Her stub kalıyor" in done.stdout) == (0, True), done.stdout
    (course.wrong_answers / "1.2_spaces.py").unlink()
    done = odev(course, "verify", "--lesson", "1")
    assert done.returncode == 1
    assert "task 1.2: 0 wrong answers, 1 at least" in done.stdout


def test_build_check_names_what_is_stale_and_fails(course: Course) -> None:
    done = odev(course, "build", "--check")
    assert (done.returncode, done.stdout.splitlines()) == (
        1, [f"güncel değil: {Path('solutions') / name}" for name in ("01_words.ipynb", "02_queue.ipynb")],
    )  # fmt: skip
    assert not course.solutions.exists()
    assert odev(course, "build", "01_words").returncode == 0
    assert (course.solutions / "01_words.ipynb").is_file()
    assert odev(course, "build", "--check", "01_words").returncode == 0


def test_release_and_package_say_what_they_made(course: Course) -> None:
    done = odev(course, "release", "--lesson", "2", "--out", "r.zip")
    assert "Öğrencinin yazacağı görevler: 2.1" in done.stdout, done.stderr
    done = odev(course, "package", "mine")
    assert "Henüz yazılmayanlar (src'deki hâliyle kaldı): 1.1, 1.2, 2.1" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("grade yok", "yok diye bir dosya ya da klasör yok"),
        ("grade in --lesson 9", "9 numaralı ders yok; olanlar: 1, 2"),
        ("grade in --timeout 0", "--timeout 0 ile 3600 arasında saniye olmalı, 0 değil"),
        ("grade in --timeout -1", "--timeout 0 ile 3600 arasında saniye olmalı, -1 değil"),
        ("grade in --timeout nan", "--timeout 0 ile 3600 arasında saniye olmalı, nan değil"),
        ("grade in --timeout inf", "--timeout 0 ile 3600 arasında saniye olmalı, inf değil"),
        ("grade in --timeout 1e9", "--timeout 0 ile 3600 arasında saniye olmalı, 1e+09 değil"),
        ("grade in --deadline 0001-01-01", "--deadline '0001-01-01' olmaz"),
        ("grade in --jobs 0", "--jobs en az 1 olmalı, 0 değil"),
        ("grade in --late 10", "--late '10' olmaz; örnek: --late 10%/gün"),
        ("grade in --roster yok.csv", "yok.csv diye bir dosya yok"),
        ("grade in --moodle names.csv", "names.csv: Moodle'ın not çizelgesi değil"),
        ("grade in --out names.csv", "names.csv bir klasör değil"),
        ("grade in --out in", "in teslimlerin klasörü; sonuçlar için başka bir --out ver"),
        ("grade in --classroom50", "--classroom50 için eksik ortam değişkeni: CLASSROOM"),
        ("verify --lesson 9", "9 numaralı ders yok; olanlar: 1, 2"),
        ("verify --jobs 0", "--jobs en az 1 olmalı, 0 değil"),
        ("build 09_yok", "09_yok diye bir ders yok; olanlar: 01_words, 02_queue"),
        ("release --lesson 9", "9 numaralı ders yok; olanlar: 1, 2"),
        ("release --out names.csv/a.zip", "names.csv"),
        ("gradescope --lesson 9", "9 numaralı ders yok; olanlar: 1, 2"),
        ("package in", "in boş değil ve bir paket de değil"),
        ("package names.csv/a", "names.csv"),
    ],
)
def test_what_is_not_there_is_one_line_and_exit_code_2(
    course: Course, command: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mini.submission(course.root / "in" / "ayşe", mini.GOOD_GREET)
    mini.write(course.root / "names.csv", "Ayşe\n")
    done = in_this_process(course, command, monkeypatch)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), done.output
    assert reason in done.stderr


@pytest.mark.parametrize("command", ["grade in", "verify", "build", "release", "status", "package mine"])
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("lessons/01_words.ipynb", "{ not json"),
        ("src/safechat/words.py", "def greet(:\n"),
        ("tests/steps/test_01_words.py", "def test(:\n"),
        (".odev-student", "{ not json"),
    ],
)
def test_a_broken_course_gives_no_traceback(
    course: Course, command: str, path: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mini.submission(course.root / "in" / "ayşe", mini.GOOD_GREET)
    mini.write(course.root / path, text)
    done = in_this_process(course, command, monkeypatch)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback (most recent call last)" not in done.output
    assert "╭" not in done.stderr  # a traceback as rich draws it
    assert "Beklenmeyen bir hata" not in done.stderr


def test_pytest_shows_a_submission_test_by_test(course: Course) -> None:
    mini.submission(course.root / "in", mini.WRONG["1.1_never_all"], mini.GOOD_QUEUE)
    done = odev(course, "--submission", "in", "-v", "--import-mode=importlib", module="pytest")
    assert "test_01_words.py::test_greets_by_name PASSED" in done.stdout, done.stdout + done.stderr
    assert "test_01_words.py::test_greets_all FAILED" in done.stdout
    assert "test_02_queue.py::test_first_in_first_out PASSED" in done.stdout
    assert "1.1 words.greet: greet('') → 'Merhaba '; beklenen: 'Merhaba herkes'" in done.stdout
    assert "İpucu: isim boşsa herkese selam ver" in done.stdout
    assert "1.2 words.count: 1.2 numaralı görev hücresi yok" in done.stdout
    assert "4 failed, 2 passed" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--submission=../in", "tests/steps/test_01_words.py"],
        ["tests/steps/test_01_words.py", "--submission", "../in"],
        ["--submission=../in"],
    ],
)
def test_pytest_takes_a_submission_from_anywhere_and_never_its_conftest(
    course: Course, arguments: list[str]
) -> None:
    folder = mini.submission(course.root.parent / "in", mini.GOOD_GREET)
    mini.write(folder / "conftest.py", "raise SystemExit('a conftest of a submission')")
    mini.write(folder / "test_mine.py", "raise SystemExit('a test of a submission')")
    done = odev(course, *arguments, "-kgreets", module="pytest")
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_lab_serves_the_course_and_ends_with_everything(course: Course, service: RealService) -> None:
    """Beside another program that has its port, and for a user of a real service."""
    runtime = course.root.parent / "runtime"
    own = {"PYTHONPATH": str(SRC), "JUPYTER_RUNTIME_DIR": str(runtime)}
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    log = course.root.parent / "lab.log"
    with ExitStack() as stack:
        other_port = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "odev", "lab", "--no-browser", "--port", str(other_port)],
                cwd=course.root,
                env={**os.environ, **service.environment(), **own},
                creationflags=flags,
                stdout=stack.enter_context(log.open("w", encoding="utf-8")),
                stderr=subprocess.STDOUT,
            )
        )
        try:
            server = the_server(runtime)
            url = f"http://127.0.0.1:{server['port']}/api/contents?token={server['token']}"
            names = [entry["name"] for entry in listing(url)["content"]]
            notebooks = environment_of_the_notebooks(process.pid)
        finally:
            process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
            process.wait(60)
    assert {"lessons", "tests"} <= set(names)
    assert f"{other_port} numaralı port dolu" in log.read_text("utf-8")
    assert "/lab/tree/lessons/01_words.ipynb?token=" in log.read_text("utf-8")
    of_the_service = {name for name, value in notebooks.items() if service.address in value}
    assert of_the_service == service.proxies().keys()
    assert notebooks["NO_PROXY"] == "127.0.0.1,localhost"
    assert service.connections == 0
    with pytest.raises(OSError, match=r"refused|10061"):
        urllib.request.urlopen(url, timeout=10)


def environment_of_the_notebooks(pid: int) -> dict[str, str]:
    """JupyterLab's, which the kernels inherit."""
    for process in psutil.Process(pid).children():
        if any("jupyter" in argument for argument in process.cmdline()):
            environment: dict[str, str] = process.environ()
            return environment
    raise AssertionError("JupyterLab does not run")


def the_server(folder: Path) -> dict[str, object]:
    """What JupyterLab writes about itself shortly before it listens, within 60 s."""
    for _ in range(600):
        for path in folder.glob("jpserver-*.json"):
            text = path.read_text("utf-8")
            if text:
                about: dict[str, object] = json.loads(text)
                return about
        time.sleep(0.1)
    raise AssertionError("JupyterLab did not start")


def listing(url: str) -> dict[str, Any]:
    """The answer, once JupyterLab listens, within 60 s."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                content: dict[str, Any] = json.load(answer)
                return content
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError("JupyterLab does not listen")
