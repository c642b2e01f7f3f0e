"""Many submissions: each for itself, whatever one of them does; in files that other programs read."""

from __future__ import annotations

import csv
import json
import os
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import mini_course as mini
from odev.course.course import Course, CourseError
from odev.grading.limited_process import Limits
from odev.grading.result import State, TaskResult
from odev.instructor.exports import write_classroom50, write_csv, write_gradescope, write_json
from odev.instructor.grade import Graded, grade
from odev.instructor.handed_in import find_submissions, read_submission

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


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_from_another_system_is_read_as_well_as_it_can_be(
    course: Course, inbox: Path, tmp_path: Path
) -> None:
    folder = Path(os.fsdecode(os.fsencode(inbox) + b"/\xd6\xf0renci"))
    mini.submission(folder, *GOOD)
    (graded,) = grade(course, [inbox], tmp_path / "out", limits=LIMITS)
    assert graded.score == 20
    write_csv(tmp_path / "grades.csv", [graded])
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
    read = read_submission("a", inbox / "a")
    assert {cell.source for cell in read.cells.values()} == set(GOOD)
    assert read.warnings == ()


def test_what_a_busy_machine_did_not_finish_is_graded_again(
    course: Course, inbox: Path, tmp_path: Path
) -> None:
    mini.submission(inbox / "döngü", mini.NEVER_ENDS)
    grade(course, [inbox], tmp_path / "out", limits=LIMITS)
    assert not list((tmp_path / "out" / "results").iterdir())


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
    assert read_submission("veli", inbox / "veli").cells == {}


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
    with pytest.raises(CourseError, match="there is no"):
        find_submissions([inbox / "yok"])


RESULTS = (
    TaskResult("1.1", "words.greet", 4, State.PASSED),
    TaskResult("1.2", "words.count", 6, State.FAILED, "assert 1 == 2", "kelimeleri say"),
)
GRADED = Graded("=ayşe", "key", RESULTS, ("uyarı",))


def test_the_csv_opens_in_a_spreadsheet_and_calculates_nothing(tmp_path: Path) -> None:
    write_csv(tmp_path / "g.csv", [GRADED])
    assert (tmp_path / "g.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    header, row = csv.reader((tmp_path / "g.csv").read_text("utf-8-sig").splitlines())
    assert header == ["name", "score", "points", "1.1", "1.2", "problems", "warnings"]
    assert row == ["'=ayşe", "4", "10", "4", "0", "1.2: failed", "uyarı"]


def test_the_json_holds_every_task(tmp_path: Path) -> None:
    write_json(tmp_path / "g.json", [GRADED])
    (saved,) = json.loads((tmp_path / "g.json").read_text("utf-8"))
    assert (saved["name"], saved["score"], saved["points"], saved["warnings"]) == ("=ayşe", 4, 10, ["uyarı"])
    assert [(task["task"], task["state"], task["score"]) for task in saved["tasks"]] == [
        ("1.1", "passed", 4),
        ("1.2", "failed", 0),
    ]


def test_gradescope_gets_its_fields(tmp_path: Path) -> None:
    write_gradescope(tmp_path / "results.json", GRADED)
    content = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert content["tests"] == [
        {
            "score": 4, "max_score": 4, "status": "passed", "name": "words.greet", "number": "1.1",
            "output": "geçti",
        },
        {
            "score": 0, "max_score": 6, "status": "failed", "name": "words.count", "number": "1.2",
            "output": "assert 1 == 2\nİpucu: kelimeleri say",
        },
    ]  # fmt: skip


def test_classroom_50_gets_its_fields_in_integers(tmp_path: Path) -> None:
    environment = {
        "CLASSROOM": "c", "ASSIGNMENT": "a", "SUBMISSION_TAG": "s", "COMMIT_URL": "co", "RELEASE_URL": "re",
        "REVIEW_URL": "rv",
    }  # fmt: skip
    now = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    write_classroom50(tmp_path / "r.json", replace(GRADED, name="ayşe"), environment=environment, now=now)
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == {
        "schema": "classroom50/result/v1", "classroom": "c", "assignment": "a",
        "assignment_type": "individual", "owner": "ayşe", "submission": "s", "commit": "co",
        "release": "re", "review": "rv", "datetime": "2026-11-24T09:00:00+00:00", "score": 4,
        "max-score": 10,
        "tests": [
            {"test-name": "1.1 words.greet", "passed": True, "score": 4, "max-score": 4},
            {"test-name": "1.2 words.count", "passed": False, "score": 0, "max-score": 6},
        ],
    }  # fmt: skip
