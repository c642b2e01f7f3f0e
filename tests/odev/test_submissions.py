"""Many submissions: each for itself, whatever one of them does; in files that other programs read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import mini_course as mini
from odev.course.cells import LARGEST_NOTEBOOK
from odev.course.course import Course, CourseError
from odev.grading import grader as grader_module
from odev.grading.junit import Run
from odev.grading.limited_process import Ended, Limits
from odev.grading.result import State
from odev.grading.steps import run_tests
from odev.instructor import grade as grading
from odev.instructor import reader
from odev.instructor.exports import write_csv
from odev.instructor.grade import Graded
from odev.instructor.handed_in import find_submissions
from odev.instructor.marks import Rules, mark_all
from odev.instructor.submission import Submission, read_path, read_submission

GOOD = (mini.GOOD_GREET, mini.GOOD_COUNT, mini.GOOD_QUEUE)
LIMITS = Limits(seconds=3)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return mini.mini_course(tmp_path / "course")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def grade(course: Course, paths: list[Path], out: Path, **options: Any) -> list[Graded]:
    submissions = [read_submission(one) for one in find_submissions(paths, out).values()]
    return grading.grade(course, submissions, out, **options)


def scores(graded: list[Graded]) -> dict[str, int]:
    return {submission.name: submission.score for submission in graded}


def test_each_costs_its_own_tasks_alone(course: Course, inbox: Path, tmp_path: Path) -> None:
    mini.submission(inbox / "ayşe", *GOOD)
    mini.submission(inbox / "döngü", mini.NEVER_ENDS, mini.GOOD_COUNT)
    mini.submission(inbox / "stub", mini.GREET_STUB, mini.COUNT_STUB, mini.QUEUE_STUB)
    (inbox / "boş").mkdir()
    mini.write(inbox / "bozuk" / "01_words.ipynb", "{ not json")
    mini.write(inbox / "bozuk" / "02_queue.ipynb", mini.notebook(mini.GOOD_QUEUE))
    mini.submission(inbox / "iki kez", mini.GOOD_GREET, mini.WRONG["1.1_no_name"])
    with zipfile.ZipFile(inbox / "zipli.zip", "w") as archive:
        archive.writestr("ödev/lessons/01_words.ipynb", mini.notebook(*GOOD[:2]))
    (inbox / "değil.zip").write_bytes(b"no zip")
    graded = grade(course, [inbox], tmp_path / "out", limits=LIMITS)
    assert scores(graded) == {
        "ayşe": 20, "boş": 0, "bozuk": 10, "değil": 0, "döngü": 6, "iki kez": 0, "stub": 0, "zipli": 10,
    }  # fmt: skip
    by_name = {submission.name: submission for submission in graded}
    assert all(submission.points == 20 for submission in graded)
    assert by_name["boş"].warnings == ("içinde hiç notebook yok",)
    assert {result.state for result in by_name["boş"].results} == {State.MISSING}
    assert "01_words.ipynb okunamadı" in by_name["bozuk"].warnings[0]
    assert "1.1 numaralı görev birden çok kez var, sonuncusu sayıldı" in by_name["iki kez"].warnings[0]
    assert by_name["döngü"].results[0].state is State.TIME
    assert "açılamadı" in by_name["değil"].warnings[0]


def test_a_broken_file_costs_its_own_student_alone(course: Course, inbox: Path, tmp_path: Path) -> None:
    mini.submission(inbox / "ayşe", *GOOD)
    with zipfile.ZipFile(inbox / "kırık.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("01_words.ipynb", mini.notebook(*GOOD) * 20)
    content = bytearray((inbox / "kırık.zip").read_bytes())
    content[50:90] = bytes(reversed(content[50:90]))
    (inbox / "kırık.zip").write_bytes(content)
    graded = grade(course, [inbox], tmp_path / "out", limits=LIMITS)
    assert scores(graded) == {"ayşe": 20, "kırık": 0}
    assert "kırık.zip" in graded[1].warnings[0]


def test_a_long_expression_in_a_task_that_is_there_twice_costs_its_own_student_alone(
    course: Course, inbox: Path, tmp_path: Path
) -> None:
    long = f"#| odev 1.1 words.greet\ndef greet(name):\n    return {'+'.join(['1'] * 500)}\n"
    mini.submission(inbox / "ayşe", *GOOD)
    mini.submission(inbox / "uzun", long, long, mini.GOOD_COUNT)
    assert scores(grade(course, [inbox], tmp_path / "out", limits=LIMITS)) == {"ayşe": 20, "uzun": 6}


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_from_another_system_is_read_as_well_as_it_can_be(
    course: Course, inbox: Path, tmp_path: Path
) -> None:
    folder = Path(os.fsdecode(os.fsencode(inbox) + b"/\xd6\xf0renci"))
    mini.submission(folder, *GOOD)
    (graded,) = grade(course, [inbox], tmp_path / "out", limits=LIMITS)
    assert graded.score == 20
    write_csv(tmp_path / "grades.csv", mark_all([graded], Rules(), {}))
    assert graded.name in (tmp_path / "grades.csv").read_text("utf-8-sig")


def test_the_layouts_of_learning_platforms_are_known(course: Course, inbox: Path, tmp_path: Path) -> None:
    whole = mini.notebook("# Kelimeler", mini.GOOD_GREET)
    with zipfile.ZipFile(inbox / "iç.zip", "w") as archive:
        archive.writestr("01_words.ipynb", whole)
    (inbox / "moodle_assignsubmission_file_").mkdir()
    (inbox / "iç.zip").rename(inbox / "moodle_assignsubmission_file_" / "odev.zip")
    with zipfile.ZipFile(inbox / "zipte zip.zip", "w") as archive:
        archive.write(inbox / "moodle_assignsubmission_file_" / "odev.zip", "odev.zip")
    mini.write(inbox / "tek.ipynb", whole)
    mini.write(inbox / "büyük harf" / "01_WORDS.IPYNB", whole)
    mini.write(inbox / "grades" / "results" / "x.json", "{}")
    graded = grade(course, [inbox], inbox / "grades", limits=LIMITS)
    assert scores(graded) == {
        "moodle_assignsubmission_file_": 4,
        "zipte zip": 4,
        "tek": 4,
        "büyük harf": 4,
    }


def test_loose_notebooks_of_one_task_are_of_several_students(inbox: Path) -> None:
    for name in ("ali", "veli"):
        mini.write(inbox / f"{name}.ipynb", mini.notebook(*GOOD))
    assert set(find_submissions([inbox])) == {"ali", "veli"}
    assert set(find_submissions([inbox / "ali.ipynb"])) == {"ali"}


def test_loose_notebooks_of_several_tasks_are_of_one_student(inbox: Path) -> None:
    mini.write(inbox / "01.ipynb", mini.notebook(mini.GOOD_GREET))
    mini.write(inbox / "02.ipynb", mini.notebook(mini.GOOD_QUEUE))
    assert set(find_submissions([inbox])) == {"inbox"}


def test_the_lesson_as_it_was_given_does_not_replace_an_answer(inbox: Path) -> None:
    mini.write(inbox / "a" / "01_words (1).ipynb", mini.notebook(*GOOD))
    mini.write(inbox / "a" / "01_words.ipynb", mini.notebook(mini.GREET_STUB, mini.COUNT_STUB))
    read = read_path(inbox / "a")
    assert {cell.source for cell in read.cells.values()} == set(GOOD)
    assert read.warnings == ("sayılmayan dosyalar: 01_words.ipynb",)


@pytest.mark.parametrize("why", [Run(Ended.BUSY), ValueError("the disk is full")], ids=["busy", "unjudged"])
def test_what_could_not_be_judged_is_graded_again(
    course: Course, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: Run | Exception
) -> None:
    mini.submission(inbox / "ayşe", *GOOD)

    def grade_it() -> dict[str, int]:
        return scores(grade(course, [inbox], tmp_path / "out", lessons=[2], limits=LIMITS))

    with monkeypatch.context() as busy:
        busy.setattr(grader_module, "run_tests", only_the_reference(why))
        assert grade_it() == {"ayşe": 0}
    assert grade_it() == {"ayşe": 10}


def only_the_reference(why: Run | Exception) -> Callable[..., Run]:
    """The first run is real; every run after it comes to this."""
    first = iter([run_tests])

    def run(*arguments: Any) -> Run:
        real = next(first, None)
        if real is not None:
            return real(*arguments)
        if isinstance(why, Exception):
            raise why
        return why

    return run


def test_an_endless_loop_is_graded_once(course: Course, inbox: Path, tmp_path: Path) -> None:
    runs: list[int] = []
    mini.submission(inbox / "döngü", mini.NEVER_ENDS)
    for _ in range(2):
        grade(course, [inbox], tmp_path / "out", lessons=[1], limits=LIMITS, progress=runs.append)
    assert len(runs) == 2


def vandal(path: Path, before: str = "") -> str:
    """A right answer that writes into this file of the course."""
    return (
        f"#| odev 1.1 words.greet\ndef greet(name):\n    {before or 'pass'}\n"
        f"    open({str(path)!r}, 'a').write('#')\n    return f\"Merhaba {{name or 'herkes'}}\"\n"
    )


@pytest.mark.parametrize("file", ["tests/steps/test_02_queue.py", "src/safechat/words.py"])
def test_a_course_that_changes_while_it_is_graded_by_gives_no_grades(
    course: Course, inbox: Path, tmp_path: Path, file: str
) -> None:
    mini.submission(inbox / "kötü", vandal(course.root / file))
    with pytest.raises(CourseError, match=r"kötü \(1\.1\)") as raised:
        grade(course, [inbox], tmp_path / "out", limits=LIMITS)
    assert file in str(raised.value)


def test_a_course_that_is_removed_while_it_is_graded_by_gives_no_grades(
    course: Course, inbox: Path, tmp_path: Path
) -> None:
    remove = f"import shutil; shutil.rmtree({str(course.root / 'src')!r}, ignore_errors=True)"
    mini.submission(inbox / "kötü", vandal(tmp_path / "nothing", remove))
    with pytest.raises(CourseError, match=r"kötü \(1\.1\)"):
        grade(course, [inbox], tmp_path / "out", limits=LIMITS)


def test_what_was_in_progress_when_the_grader_ended_is_named_at_the_next_start(
    course: Course, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    mini.submission(inbox / "ayşe", *GOOD)

    def grade_it() -> None:
        grade(course, [inbox], tmp_path / "out", lessons=[2], limits=LIMITS, say=said.append)

    def dies(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(grader_module.Grader, "judge", dies)
        with pytest.raises(KeyboardInterrupt):
            grade_it()
    assert said == []
    grade_it()
    grade_it()
    (line,) = said
    assert line.startswith("Geçen sefer yarıda kalan: ayşe (2.1).")


INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background
from odev.__main__ import app
app(["grade", sys.argv[1], "--out", sys.argv[2], "--lesson", "1"])
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_ends_the_runs_at_once_and_says_how_to_go_on(
    course: Course, inbox: Path, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    loop = f"open({str(began)!r}, 'w').write(str(__import__('os').getpid()))\n    while True: pass"
    mini.submission(inbox / "döngü", vandal(tmp_path / "nothing", loop))
    command = [sys.executable, "-c", INTERRUPTIBLE, str(inbox), str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=course.root, stderr=subprocess.PIPE, encoding="utf-8") as grader:
        while not (began.is_file() and began.read_text(encoding="utf-8")):
            time.sleep(0.05)
        grader.send_signal(signal.SIGINT)
        _, said = grader.communicate()
    assert grader.returncode == 130
    assert "Aynı komutla kaldığı yerden sürer" in said
    assert "Traceback" not in said
    pid = int(began.read_text(encoding="utf-8"))
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_saved_results_are_read_with_all_their_fields(course: Course, inbox: Path, tmp_path: Path) -> None:
    crash = "#| odev 1.1 words.greet\nimport sys\ndef greet(name):\n    return name.lowr(sys)\n"
    mini.submission(inbox / "ayşe", crash)
    first, second = (grade(course, [inbox], tmp_path / "out", lessons=[1], limits=LIMITS) for _ in range(2))
    assert first == second
    assert first[0].results[0].crash is not None
    assert "`sys` kullanılıyor" in first[0].warnings[0]


def test_a_notebook_that_is_too_large_is_refused_before_it_is_read(inbox: Path) -> None:
    folder = mini.submission(inbox / "ayşe", *GOOD)
    with (folder / "02_dev.ipynb").open("wb") as stream:
        stream.truncate(LARGEST_NOTEBOOK + 1)  # it takes no room on the disk
    with memory_of(lambda: read_path(folder)) as (read, most):
        assert read.warnings == ("02_dev.ipynb çok büyük (50 MB), okunmadı",)
        assert len(read.cells) == 3
        assert most < 5_000_000


def test_a_notebook_with_thousands_of_cells_is_not_read(inbox: Path) -> None:
    folder = mini.submission(inbox / "ayşe", *GOOD)
    mini.write(folder / "02_dev.ipynb", mini.notebook(*[GOOD[0]] * 6_000))
    read = read_path(folder)
    assert read.warnings == ("02_dev.ipynb içinde 6000 hücre var, okunmadı",)
    assert len(read.cells) == 3


@pytest.mark.parametrize("value", ["[],", '"x",', "1.5,", '{"a":1},'])
def test_a_small_zip_does_not_take_much_memory(inbox: Path, value: str) -> None:
    """93 KB of it took 2.4 GB."""
    cell = '{"cell_type": "code", "source": "x", "metadata": [' + value * (48_000_000 // len(value)) + "1]}"
    with zipfile.ZipFile(inbox / "ayşe.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("01.ipynb", f'{{"cells": [{cell}]}}')
    assert (inbox / "ayşe.zip").stat().st_size < 300_000
    with memory_of(lambda: read_path(inbox / "ayşe.zip")) as (read, most):
        assert "çok fazla parçadan oluşuyor" in read.warnings[0]
        assert most < 200_000_000


def test_many_large_notebooks_are_read_up_to_a_limit(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_MOST_BYTES", 2_500)
    with zipfile.ZipFile(inbox / "ayşe.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}.ipynb", mini.notebook(mini.GOOD_GREET) + " " * 600)
    read = read_path(inbox / "ayşe.zip")
    assert [warning for warning in read.warnings if "çok büyük" in warning] != []
    assert len(read.cells) == 1


def test_a_cell_that_is_too_long_costs_itself_alone(inbox: Path) -> None:
    folder = mini.submission(inbox / "ayşe", mini.GOOD_GREET, mini.GOOD_COUNT + "#" * 1_000_001)
    read = read_path(folder)
    assert [str(id) for id in read.cells] == ["1.1"]
    assert "çok uzun bir hücre" in read.warnings[0]


@contextmanager
def memory_of(read: Callable[[], Submission]) -> Iterator[tuple[Submission, int]]:
    """What it returns, and the most bytes that Python had for it."""
    tracemalloc.start()
    try:
        yield read(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("inside", [True, False], ids=["in a student's folder", "beside the others"])
def test_a_pipe_a_device_and_a_link_are_no_notebooks(inbox: Path, inside: bool) -> None:
    if sys.platform == "win32":
        pytest.skip("there are no such files")
    folder = mini.submission(inbox / "ayşe", *GOOD) if inside else inbox
    mini.write(inbox / "veli" / "01.ipynb", mini.notebook(*GOOD))
    os.mkfifo(folder / "pipe.ipynb")
    os.symlink("/dev/zero", folder / "device.ipynb")
    os.symlink(inbox / "veli" / "01.ipynb", folder / "link.ipynb")
    os.symlink(inbox / "veli", folder / "folder")
    found = find_submissions([inbox])
    assert set(found) == ({"ayşe", "veli"} if inside else {"veli"})
    for one in found.values():
        assert read_submission(one).warnings == ()


def test_tests_conftests_modules_and_solutions_of_a_submission_are_never_used(
    course: Course, inbox: Path, tmp_path: Path
) -> None:
    cheat = mini.submission(inbox / "kurnaz", mini.WRONG["1.1_no_name"])
    trap = f"open({str(tmp_path / 'used')!r}, 'w').close()\n"
    for name in ("conftest.py", "tests/conftest.py", "tests/steps/test_01_words.py", "src/safechat/words.py"):
        mini.write(cheat / name, trap)
    mini.write(cheat / "pytest.ini", "[pytest]\naddopts = --co\n")
    mini.write(cheat / "solutions" / "01_words.ipynb", mini.notebook(*GOOD))
    mini.write(cheat / ".ipynb_checkpoints" / "01_words.ipynb", mini.notebook(*GOOD))
    assert scores(grade(course, [inbox], tmp_path / "out", limits=LIMITS)) == {"kurnaz": 0}
    assert not (tmp_path / "used").exists()


def test_a_link_out_of_the_submission_is_not_followed(inbox: Path) -> None:
    mini.submission(inbox / "ayşe", *GOOD)
    (inbox / "veli").mkdir()
    try:
        os.symlink(inbox / "ayşe" / "01_words.ipynb", inbox / "veli" / "01_words.ipynb")
        os.symlink(inbox / "ayşe", inbox / "veli" / "lessons")
    except OSError:
        pytest.skip("this user may not make links")
    assert read_path(inbox / "veli").cells == {}


def test_only_what_changed_is_graded_again(course: Course, inbox: Path, tmp_path: Path) -> None:
    runs: list[int] = []
    mini.submission(inbox / "ayşe", mini.GOOD_GREET)
    mini.submission(inbox / "veli", mini.GOOD_GREET)

    def again() -> tuple[dict[str, int], int]:
        runs.clear()
        points = scores(grade(course, [inbox], tmp_path / "out", limits=LIMITS, progress=runs.append))
        return points, len(runs)

    assert again() == ({"ayşe": 4, "veli": 4}, 6)
    assert again() == ({"ayşe": 4, "veli": 4}, 0)
    mini.submission(inbox / "veli", mini.WRONG["1.1_no_name"])
    assert again() == ({"ayşe": 4, "veli": 0}, 3)
    (tmp_path / "out" / "results" / "ayşe.json").write_text("{", "utf-8")
    assert again() == ({"ayşe": 4, "veli": 0}, 3)
    mini.write(course.steps / "test_01_words.py", mini.STEPS_1.replace("points=4", "points=3"))
    assert again() == ({"ayşe": 3, "veli": 0}, 6)


def test_one_lesson_can_be_graded(course: Course, inbox: Path, tmp_path: Path) -> None:
    mini.submission(inbox / "ayşe", *GOOD)
    (graded,) = grade(course, [inbox], tmp_path / "out", lessons=[2], limits=LIMITS)
    assert [(result.task, result.score) for result in graded.results] == [("2.1", 10)]


def test_thirty_submissions_with_two_endless_loops(course: Course, inbox: Path, tmp_path: Path) -> None:
    for number in range(30):
        cells = (mini.NEVER_ENDS,) if number in (3, 17) else (mini.GOOD_GREET,)
        mini.submission(inbox / f"öğrenci{number:02}", *cells)
    graded = grade(course, [inbox], tmp_path / "out", lessons=[1], limits=LIMITS)
    assert [one.score for one in graded] == [0 if number in (3, 17) else 4 for number in range(30)]


def test_names_come_from_folders_and_zips(inbox: Path) -> None:
    for name in ("ayşe", "veli", ".git", "__MACOSX"):
        (inbox / name).mkdir()
    (inbox / "veli.zip").write_bytes(b"")
    (inbox / "notlar.txt").write_text("", "utf-8")
    assert sorted(find_submissions([inbox])) == ["ayşe", "veli", "veli.zip"]
    assert list(find_submissions([inbox / "ayşe"])) == ["ayşe"]
    mini.submission(inbox / "veli", *GOOD)
    assert list(find_submissions([inbox / "veli"])) == ["veli"]
    with pytest.raises(CourseError, match="yok diye bir dosya ya da klasör yok"):
        find_submissions([inbox / "yok"])
