"""The exam as its user takes it: whole days, packages that lack a layer, and what cannot be examined."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from rich.console import Console
from typer.testing import CliRunner

from odev.__main__ import app
from odev.course.cells import TaskId
from odev.course.course import Course, CourseError
from odev.exam import Exam, lane, run
from odev.exam.day import SCENES
from odev.exam.exam import judge, unsafe_scripts
from odev.exam.facts import Counts, Day
from odev.exam.installed import (
    Environment,
    beside_the_course,
    files_of,
    install,
    make_environment,
    package_in,
)
from odev.exam.lane import live
from odev.grading.grader import judging_pool
from odev.grading.limited_process import Limits, clean_environment

ROOT = Path(__file__).parents[2]
COURSE = Course(ROOT)
SECOND = "API “bekle” diyor, sonra aksıyor"  # the SDK waits and tries again, too
WHOLE_DAY = pytest.mark.timeout(600)

Change = Callable[[Path], None]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return make_environment(tmp_path / "environment")


def packed(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(folder.rglob("*.py")):
            archive.write(path, path.relative_to(folder).as_posix())
    return content.getvalue()


def changed(file: str, before: str, after: str) -> Change:
    def change(package: Path) -> None:
        path = package / file
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after), encoding="utf-8")

    return change


def answered_by(name: str) -> Change:
    """The package with a known wrong answer in the place of its task."""

    def change(package: Path) -> None:
        task = COURSE.task(TaskId.parse(name.partition("_")[0]))
        path = package / task.file
        source = (COURSE.wrong_answers / f"{name}.py").read_text(encoding="utf-8")
        path.write_text(COURSE.splice(task, path.read_text(encoding="utf-8"), source), encoding="utf-8")

    return change


def day_of(environment: Environment, change: Change, *hours: str) -> Day:
    """These scenes of the day, by the course's package with this change."""
    install(ROOT, "safechat", environment)
    change(environment.site_packages / "safechat")
    scenes = [scene for scene in SCENES if scene.hour in hours]
    return live(environment.python, {}, scenes=scenes)


def whole(day: Day) -> Day:
    """The day, with the steps that were left out as if nothing had happened in them."""
    missing = {step.name: Counts(step.calls) for scene in SCENES for step in scene.steps}
    return replace(day, steps={**missing, **day.steps})


def passed(day: Day) -> list[int]:
    """The numbers of the lines that these scenes win."""
    return [number for number, line in enumerate(judge(whole(day)).lines, 1) if line.package.passed]


@WHOLE_DAY
def test_the_courses_package_wins_every_line_and_three_lines_win_one() -> None:
    exam = run(course=COURSE)
    assert exam.score == 100, exam
    assert [line.title for line in exam.lines if line.unsafe and line.unsafe.passed] in ([], [SECOND]), exam
    assert exam.problems == ()


# For each line a package that lacks the layer which wins it, in the scene that asks for it.
LACKING: Mapping[str, tuple[str, list[int], Change]] = {
    "no limits": (
        "09.00",
        [],
        changed("layers.py", "client.limited(client.keyed(client.call))", "client.keyed(client.call)"),
    ),
    "no retries": ("10.00", [], changed("layers.py", "client.retried(", "(")),
    "no breaker": ("11.00", [], changed("breaker.py", 'elif outcome == "failed":', "elif False:")),
    "no fallback": (
        "13.00",
        [],
        changed("fallback.py", "if turn.next_model is None or", "if turn.next_model is not None or"),
    ),
    "no word for an empty account": (
        "14.00",
        [],
        changed("errors.py", 'kind = "quota_exhausted"', 'kind = "quota_exhausted"\n    retryable = True'),
    ),
    "half an answer is one": ("15.00", [], answered_by("1.2_a_cut_answer_is_an_answer")),
    "the old key for ever": ("16.00", [], answered_by("6.2_one_key_for_ever")),
    "never a stale key": (
        "23.00",
        [],
        changed("keys/cache.py", "LONGEST_STALE = 3600.0", "LONGEST_STALE = 0.0"),
    ),
}


@pytest.fixture(scope="module")
def won(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[int]]:
    """What each of them wins. Three live at the same time: a day waits more than it computes."""

    def lines_of(name: str, folder: Path) -> list[int]:
        hour, _, change = LACKING[name]
        return passed(day_of(make_environment(folder), change, hour))

    folders = [tmp_path_factory.mktemp("environment") for _ in LACKING]  # here: no thread may make them
    with judging_pool(3) as pool:
        return dict(zip(LACKING, pool.map(lines_of, LACKING, folders), strict=True))


@WHOLE_DAY
@pytest.mark.parametrize("name", LACKING)
def test_a_package_that_lacks_a_layer_does_not_win_its_line(won: Mapping[str, list[int]], name: str) -> None:
    _, expected, _ = LACKING[name]
    assert won[name] == expected


def test_the_scenes_that_are_asked_alone_are_won_by_the_whole_package(environment: Environment) -> None:
    assert passed(day_of(environment, lambda package: None, "14.00", "16.00")) == [5, 7]


def test_without_the_log_layer_no_call_is_logged(environment: Environment) -> None:
    day = day_of(environment, changed("layers.py", "shared.logged(", "("), "16.00")
    assert (day.ended, day.logged) == (20, 0)


def test_a_secret_that_is_not_redacted_is_seen_in_the_log(environment: Environment) -> None:
    day = day_of(environment, answered_by("2.1_values_without_their_names"), "16.00")
    assert day.leaks == ("dosyalarda",)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (
            "import no_such_module",
            "program başlayamadı: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("import os; os._exit(0)", "program başlayamadı"),
        ("raise SystemExit(0)", "program başlayamadı"),
    ],
)
def test_a_package_that_cannot_be_imported_costs_the_lines_and_not_the_exam(
    environment: Environment, code: str, problem: str
) -> None:
    day = day_of(
        environment, changed("__init__.py", "import logging\n", f"import logging\n{code}\n"), "16.00"
    )
    assert day.problems == {"16.00": problem}
    assert passed(day) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there the code page is what it is")
def test_openai_may_be_in_a_folder_whose_name_the_code_page_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LC_ALL=C stands for the code page of a Windows, in which Python before 3.13 reads .pth files."""
    monkeypatch.setattr(lane, "clean_environment", lambda *of: clean_environment(*of) | {"LC_ALL": "C"})
    installed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    linked = [tmp_path / "ödev ş" / str(number) / "site-packages" for number in range(len(installed))]
    for link, folder in zip(linked, installed, strict=True):
        link.parent.mkdir(parents=True)
        link.symlink_to(folder)
    others = [path for path in sys.path if path not in installed]
    monkeypatch.setattr(sys, "path", [*map(str, linked), *others])
    environment = make_environment(tmp_path / "environment")
    assert day_of(environment, lambda package: None, "16.00").problems == {}


def test_an_endless_loop_ends_with_its_scene(environment: Environment) -> None:
    install(ROOT, "safechat", environment)
    loop = """
def _loop(*_, **__):
    while True:
        pass
ChatClientWrapper.generate = _loop
"""
    change = changed("__init__.py", "\n__all__ =", f"{loop}\n__all__ =")
    change(environment.site_packages / "safechat")
    scenes = [scene for scene in SCENES if scene.hour in ("15.00", "16.00")]
    day = live(environment.python, {}, Limits(seconds=1.0), scenes)
    assert all("bitmedi" in day.problems[hour] for hour in ("15.00", "16.00"))
    assert day.steps["anahtar"].lost == 10


def test_a_stub_is_named_in_the_lines_that_it_costs(environment: Environment) -> None:
    def stub(package: Path) -> None:
        task = COURSE.task(TaskId.parse("4.3"))
        path = package / task.file
        path.write_text(
            COURSE.splice(task, path.read_text(encoding="utf-8"), COURSE.stubs[task.id]), encoding="utf-8"
        )

    day = day_of(environment, stub, "16.00")
    assert "ÖDEV 4.3 henüz yazılmadı" in judge(whole(day)).lines[6].package.text


def test_answers_that_the_package_makes_up_itself_do_not_count(environment: Environment) -> None:
    made_up = """
from types import SimpleNamespace as _Reply
def _made_up(self, messages, **_):
    return _Reply(text="Hello! You said: " + messages[0]["content"])
ChatClientWrapper.generate = _made_up
"""
    day = day_of(environment, changed("__init__.py", "\n__all__ =", f"{made_up}\n__all__ ="), "16.00")
    assert (day.steps["anahtar"].answered, day.steps["anahtar"].wrong) == (0, 10)


def test_the_environment_has_the_students_package_and_nothing_of_the_course(
    environment: Environment, tmp_path: Path
) -> None:
    package = tmp_path / "mine" / "src" / "safechat"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("MINE = True\n", encoding="utf-8")
    install(tmp_path / "mine", "safechat", environment)
    script = """
import importlib.util, json, sys
sys.path += json.loads(sys.argv[1])
import openai, safechat
print(json.dumps([safechat.MINE, importlib.util.find_spec("odev") is None, safechat.__file__]))
"""
    done = subprocess.run(
        [str(environment.python), "-I", "-X", "utf8", "-c", script, json.dumps(beside_the_course())],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    mine, no_course, file = json.loads(done.stdout)
    assert (mine, no_course) == (True, True)
    assert Path(file).is_relative_to(environment.folder)


def test_a_zip_and_a_folder_hold_the_same_package(tmp_path: Path) -> None:
    project = tmp_path / "benim-paketim"
    (project / "src" / "safechat").mkdir(parents=True)
    (project / "src" / "safechat" / "__init__.py").write_text("", encoding="utf-8")
    (project / "setup.py").write_text("", encoding="utf-8")
    whole_zip = tmp_path / "paket.zip"
    whole_zip.write_bytes(packed(tmp_path))
    expected = {PurePosixPath("__init__.py"): b""}
    assert files_of(whole_zip, "safechat") == files_of(project, "safechat") == expected


@pytest.mark.parametrize(
    "name", ["../safechat/__init__.py", "/safechat/__init__.py", "a\\..\\safechat/__init__.py"]
)
def test_no_name_in_a_zip_leads_out_of_the_environment(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "")
    with pytest.raises(CourseError, match="paketi yok"):
        files_of(tmp_path / "a.zip", "safechat")


def test_a_package_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="büyük"):
        package_in({PurePosixPath("safechat/__init__.py"): lambda: b"x" * 20_000_001}, "safechat")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "yok"), (b"no zip", "okunamadı"), (b"PK\x05\x06" + b"\0" * 18, "paketi yok")],
)
def test_what_is_no_package_is_said_in_one_line(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "a.zip"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(app, ["exam", str(path)])
    assert result.exit_code == 2
    assert reason in result.output
    assert "Traceback" not in result.output


def test_the_unsafe_scripts_are_the_courses_own_with_the_repairs_of_lesson_00() -> None:
    lesson = json.loads((ROOT / "lessons" / "00_baslangic.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in lesson["cells"]]
    repair = next(line for cell in cells for line in cell.splitlines() if line.startswith("FIXED ="))
    names = {"UNSAFE": (ROOT / "lessons" / "ask_question.py").read_text(encoding="utf-8")}
    exec(repair, {}, names)
    assert unsafe_scripts()["ask"] == names["FIXED"]


def exam_of(*, compare: bool) -> Exam:
    nothing = Day(
        {step.name: Counts(step.calls) for scene in SCENES for step in scene.steps}, problems={"09.00": "<b>"}
    )
    return judge(nothing, nothing if compare else None)


@pytest.mark.parametrize("compare", [False, True])
def test_the_table_has_ten_lines_in_every_dress(compare: bool) -> None:
    exam = exam_of(compare=compare)
    screen = io.StringIO()
    Console(file=screen, width=80).print(exam)
    for text in (screen.getvalue(), repr(exam), exam._repr_html_()):
        assert all(line.title in text for line in exam.lines)
        assert "0/100 puan" in text
        assert ("güvensiz" in text.lower()) == compare
    assert "&lt;b&gt;" in exam._repr_html_()


def test_the_table_fits_on_a_narrow_screen() -> None:
    screen = io.StringIO()
    Console(file=screen, width=80).print(exam_of(compare=True))
    assert max(map(len, screen.getvalue().splitlines())) <= 80
