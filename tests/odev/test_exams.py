"""The exam of a class: which package counts, what is kept, and where the points stand."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from rich.console import Console

import mini_course as mini
from odev.course.course import Course
from odev.exam.day import SCENES
from odev.exam.exam import judge
from odev.exam.facts import Counts, Day
from odev.exam.lane import Busy
from odev.exam.report import Exam
from odev.grading.result import State, TaskResult
from odev.instructor import exams
from odev.instructor.classroom50 import write_classroom50
from odev.instructor.exams import package_of, take_exams
from odev.instructor.exports import write_csv, write_json
from odev.instructor.feedback import page
from odev.instructor.grade import Graded
from odev.instructor.gradebook import gradebook
from odev.instructor.gradescope import make_autograder, write_gradescope
from odev.instructor.marks import Mark, Rules, TakenExam, mark_all
from odev.instructor.submission import Submission, read_path

COURSE = Course(Path(__file__).parents[2])
PACKAGE = {"benim-paketim/src/safechat/__init__.py": b"1"}
NOTHING = Day({step.name: Counts(step.calls) for scene in SCENES for step in scene.steps})
CLASSROOM = dict.fromkeys(("CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL"), "set")
TAKEN = TakenExam(90, 100, ("Günün logu: 311 sorudan 0 tanesinin kaydı var",))


def handed_in(folder: Path, files: Mapping[str, bytes]) -> Submission:
    for path, content in files.items():
        target = folder / "ayşe" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return read_path(folder / "ayşe")


def packed(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return content.getvalue()


class Runs:
    """Stands in for the exam, and counts how often it is taken."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.count = 0
        self.failure = failure

    def __call__(self, package: Path, **options: object) -> Exam:
        self.count += 1
        assert (package / "safechat" / "__init__.py").is_file()
        if self.failure is not None:
            raise self.failure
        return judge(NOTHING)


def take(submission: Submission, out: Path, monkeypatch: pytest.MonkeyPatch, runs: Runs) -> TakenExam:
    monkeypatch.setattr(exams, "run", runs)
    return take_exams(COURSE, [submission], out)["ayşe"]


@pytest.mark.parametrize(
    "files",
    [
        PACKAGE,
        {"lessons/00_a.ipynb": b"{}", "src/safechat/__init__.py": b"1"},
        {"paket.zip": packed(PACKAGE)},
        {"paket.zip": packed({"safechat/__init__.py": b"1"})},
    ],
)
def test_a_submissions_package_is_found(tmp_path: Path, files: dict[str, bytes]) -> None:
    submission = handed_in(tmp_path, files)
    assert package_of(submission.files, "safechat") == {PurePosixPath("__init__.py"): b"1"}


def test_the_files_of_a_package_are_not_among_those_that_do_not_count(tmp_path: Path) -> None:
    project = {f"benim-paketim/{name}": b"" for name in ("README.md", "pyproject.toml", "src/safechat/a.py")}
    submission = handed_in(
        tmp_path, {**PACKAGE, "paket.zip": packed({**PACKAGE, **project}), "notlar.txt": b""}
    )
    assert [warning for warning in submission.warnings if "sayılmayan" in warning] == [
        "sayılmayan dosyalar: notlar.txt"
    ]


def test_without_a_package_there_are_no_points_and_a_reason(tmp_path: Path) -> None:
    submission = handed_in(tmp_path, {"lessons/00_a.ipynb": b"{}"})
    taken = take_exams(COURSE, [submission], tmp_path / "out")
    assert taken == {"ayşe": TakenExam(0, 100, ("teslimde paket yok",))}


def test_a_broken_zip_is_a_reason(tmp_path: Path) -> None:
    taken = take_exams(COURSE, [handed_in(tmp_path, {"paket.zip": b"PK"})], tmp_path / "out")["ayşe"]
    assert taken.score == 0
    assert "bozuk" in taken.reasons[0]


def test_the_same_package_is_examined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submission, runs = handed_in(tmp_path, PACKAGE), Runs()
    first = take(submission, tmp_path / "out", monkeypatch, runs)
    assert take(submission, tmp_path / "out", monkeypatch, runs) == first
    assert runs.count == 1


def test_a_changed_package_is_examined_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()
    take(handed_in(tmp_path, PACKAGE), tmp_path / "out", monkeypatch, runs)
    take(handed_in(tmp_path, dict.fromkeys(PACKAGE, b"2")), tmp_path / "out", monkeypatch, runs)
    assert runs.count == 2


def test_a_lost_line_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = take(handed_in(tmp_path, PACKAGE), tmp_path / "out", monkeypatch, Runs())
    assert len(taken.reasons) == 10


def test_where_the_computer_was_too_busy_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission, runs = handed_in(tmp_path, PACKAGE), Runs(Busy())
    assert not take(submission, tmp_path / "out", monkeypatch, runs).judged
    take(submission, tmp_path / "out", monkeypatch, runs)
    assert runs.count == 2


def mark(exam: TakenExam | None) -> Mark:
    graded = Graded(Submission("ayşe", {}), "key", (TaskResult("1.1", "words.greet", 4, State.PASSED),))
    (only,) = mark_all([graded], Rules(), {}, {"ayşe": exam} if exam is not None else {})
    return only


def test_the_exams_points_are_no_part_of_the_score() -> None:
    assert (mark(TAKEN).score, mark(TAKEN).points) == (4, 4)


def test_the_csv_has_columns_for_the_exam_where_it_was_taken(tmp_path: Path) -> None:
    write_csv(tmp_path / "with.csv", [mark(TAKEN)])
    write_csv(tmp_path / "without.csv", [mark(None)])
    (row,) = csv.DictReader(io.StringIO((tmp_path / "with.csv").read_text(encoding="utf-8-sig")))
    assert (row["exam"], row["exam reasons"]) == ("90", TAKEN.reasons[0])
    assert "exam" not in (tmp_path / "without.csv").read_text(encoding="utf-8-sig")


def test_the_json_has_the_exam(tmp_path: Path) -> None:
    write_json(tmp_path / "grades.json", [mark(TAKEN)])
    (grade,) = json.loads((tmp_path / "grades.json").read_text(encoding="utf-8"))
    assert grade["exam"]["score"] == 90


@pytest.mark.parametrize(
    ("exam", "shown"), [(TAKEN, "90/100"), (replace(TAKEN, judged=False), "?"), (None, None)]
)
def test_the_table_of_the_class_has_a_column_for_it(exam: TakenExam | None, shown: str | None) -> None:
    screen = io.StringIO()
    Console(file=screen, width=120).print(gradebook([mark(exam)]))
    assert ("sınav" in screen.getvalue()) == (shown is not None)
    assert shown is None or shown in screen.getvalue()


def test_the_student_reads_which_lines_were_lost() -> None:
    assert "Sınav: 90 / 100 puan" in page(mark(TAKEN))
    assert TAKEN.reasons[0] in page(mark(TAKEN))


def test_gradescope_gets_it_as_one_test_more(tmp_path: Path) -> None:
    write_gradescope(tmp_path / "with.json", mark(TAKEN))
    write_gradescope(tmp_path / "without.json", mark(None))
    with_exam, without = (
        json.loads((tmp_path / f"{name}.json").read_text("utf-8")) for name in ("with", "without")
    )
    assert with_exam["tests"] == [
        *without["tests"],
        {
            "score": 90, "max_score": 100, "status": "failed", "name": "Sınav", "output": TAKEN.reasons[0],
        },
    ]  # fmt: skip


def test_the_autograder_of_gradescope_takes_it_on_request(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path / "course")
    make_autograder(course, tmp_path / "a.zip", exam=True)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert b"--gradescope --exam --out" in archive.read("run_autograder")


def test_classroom_50_gets_it_as_one_test_more_and_in_the_sum(tmp_path: Path) -> None:
    write_classroom50(tmp_path / "r.json", mark(TAKEN), environment=CLASSROOM)
    result = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert (result["score"], result["max-score"]) == (94, 104)
    assert result["tests"][-1] == {
        "test-name": "Sınav", "passed": False, "score": 90, "max-score": 100,
    }  # fmt: skip
