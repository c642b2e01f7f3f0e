"""The files that a grading leaves, as other programs read them: spreadsheets, platforms, browsers."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

import mini_course as mini
from odev.course.course import Course, CourseError
from odev.grading.junit import Crash
from odev.grading.result import State, TaskResult
from odev.instructor.classroom50 import write_classroom50
from odev.instructor.exports import write_csv, write_json
from odev.instructor.feedback import page, write_feedback
from odev.instructor.grade import Graded
from odev.instructor.gradebook import gradebook
from odev.instructor.gradescope import make_autograder, write_gradescope
from odev.instructor.marks import Mark, Rules, mark_all
from odev.instructor.output import alone_in
from odev.instructor.plain_text import safe_file_name, spreadsheet_cell
from odev.instructor.platforms import fill_canvas, fill_moodle
from odev.instructor.submission import Submission
from odev.instructor.uploads import Upload

RESULTS = (
    TaskResult("1.1", "words.greet", 4, State.PASSED, tests=2, passed_tests=2),
    TaskResult("1.2", "words.count", 6, State.FAILED, "gelen 2", "kelimeleri say", tests=4, passed_tests=1),
)


def mark(name: str = "=ayşe", upload: Upload | None = None, *, partial: bool = False) -> Mark:
    graded = Graded(Submission(name, {}, ("uyarı",), upload), "key", RESULTS)
    (only,) = mark_all([graded], Rules(partial), {})
    return only


def test_two_gradings_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        with pytest.raises(CourseError, match="başka bir puanlama"), alone_in(tmp_path):
            pass
    for left in ("[1, 0.0]", "[999999999, 1.0]", "{", "5"):  # by a grading that was killed
        (tmp_path / "grader.json").write_text(left, "utf-8")
        with alone_in(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_the_csv_opens_in_a_spreadsheet_and_calculates_nothing(tmp_path: Path) -> None:
    write_csv(tmp_path / "g.csv", [mark()])
    assert (tmp_path / "g.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    header, row = csv.reader((tmp_path / "g.csv").read_text("utf-8-sig").splitlines())
    assert header == [
        "name", "score", "points", "task 1.1", "task 1.2", "days late", "handed in", "reasons", "warnings",
    ]  # fmt: skip
    assert row == ["'=ayşe", "4", "10", "4", "0", "0", "", "1.2: gelen 2", "uyarı"]


def test_the_table_of_the_class_fits_a_narrow_terminal_with_all_lessons() -> None:
    results = tuple(
        TaskResult(f"{lesson}.{number}", "words.greet", 4, State.PASSED)
        for lesson in range(9)
        for number in (1, 2, 3)
    )
    failed = replace(results[0], state=State.FAILED, message="f() → 1; beklenen: 2")
    graded = Graded(Submission("Ayşe Yılmaz", {}), "key", (failed, *results[1:]))
    screen = io.StringIO()
    Console(file=screen, width=80).print(gradebook(mark_all([graded], Rules(), {})))
    for text in ("teslim", "Ayşe Yılmaz", "✗✓✓  ✓✓✓", "104/108", "beklenen: 2"):
        assert text in screen.getvalue()


def test_the_csv_for_turkish_excel_has_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    write_csv(tmp_path / "g.csv", [mark(partial=True)], turkish=True)
    lines = (tmp_path / "g.csv").read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("name;score;points;task 1.1;")
    assert lines[1].startswith("'=ayşe;5,5;10;4;1,5;0;")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\t=1", " =1", "\r\n=1", "＝1", "\x00=1"])
def test_a_formula_is_a_text_in_a_spreadsheet(text: str) -> None:
    assert spreadsheet_cell(text)[0] in "'\N{REPLACEMENT CHARACTER}"


def test_control_characters_and_endless_texts_do_not_get_into_a_spreadsheet() -> None:
    cell = spreadsheet_cell("a\x1b[2J\x00\u202eb\nc" + "x" * 100_000)
    assert cell.isprintable()
    assert len(cell) <= 2_000


@pytest.mark.parametrize("name", ["../../etc", "a/b", "C:\\x", "..", "", "x" * 300, "a\x00b", "con\u202e"])
def test_a_name_never_leaves_its_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{safe_file_name(name)}.json"
    path.write_text("x", "utf-8")
    assert path.resolve().parent == tmp_path.resolve()


def test_the_json_holds_every_task(tmp_path: Path) -> None:
    write_json(tmp_path / "g.json", [mark(partial=True)])
    (saved,) = json.loads((tmp_path / "g.json").read_text("utf-8"))
    assert (saved["name"], saved["score"], saved["points"], saved["warnings"]) == (
        "=ayşe",
        5.5,
        10,
        ["uyarı"],
    )
    tasks = [(task["task"], task["state"], task["score"]) for task in saved["tasks"]]
    assert tasks == [("1.1", "passed", 4), ("1.2", "failed", 1.5)]


def test_gradescope_gets_its_fields(tmp_path: Path) -> None:
    write_gradescope(tmp_path / "results.json", mark())
    content = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert content["tests"] == [
        {
            "score": 4, "max_score": 4, "status": "passed", "name": "words.greet", "number": "1.1",
            "output": "geçti",
        },
        {
            "score": 0, "max_score": 6, "status": "failed", "name": "words.count", "number": "1.2",
            "output": "gelen 2\nİpucu: kelimeleri say",
        },
    ]  # fmt: skip


CLASSROOM = {
    "CLASSROOM": "c", "ASSIGNMENT": "a", "SUBMISSION_TAG": "submit/2026-11-20T14-32-05Z-a1b2c3d",
    "COMMIT_URL": "co", "RELEASE_URL": "re", "OWNER": "ayse50", "REVIEW_URL": "",
}  # fmt: skip


def test_classroom_50_gets_its_fields_in_integers_and_none_is_empty(tmp_path: Path) -> None:
    now = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    write_classroom50(tmp_path / "r.json", mark(partial=True), environment=CLASSROOM, now=now)
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == {
        "schema": "classroom50/result/v1", "classroom": "c", "assignment": "a",
        "assignment_type": "individual", "owner": "ayse50",
        "submission": "submit/2026-11-20T14-32-05Z-a1b2c3d", "commit": "co", "release": "re", "review": "co",
        "datetime": "2026-11-20T14:32:05Z", "graded_at": "2026-11-24T09:00:00Z", "score": 5,
        "max-score": 10,
        "tests": [
            {"test-name": "1.1 words.greet", "passed": True, "score": 4, "max-score": 4},
            {"test-name": "1.2 words.count", "passed": False, "score": 1, "max-score": 6},
        ],
    }  # fmt: skip


def test_classroom_50_names_the_variables_that_its_runner_should_have_set(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="ASSIGNMENT, COMMIT_URL"):
        write_classroom50(
            tmp_path / "r.json", mark(), environment={**CLASSROOM, "ASSIGNMENT": "", "COMMIT_URL": ""}
        )


MOODLE = (
    "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\r\n"
    'Participant 101,Ayşe Yılmaz,a@x.tr,"Submitted, graded",,100.00,Yes,"Friday, 20 November 2026",-,\r\n'
    "Participant 102,Ali Öz,b@x.tr,No submission,,100.00,Yes,-,-,\r\n"
)
TURKISH_MOODLE = MOODLE.replace("Identifier,Full name", "Tanımlayıcı,Ad Soyad").replace(
    "Grade,Maximum Grade,", "Not,Maksimum Not,"
)


@pytest.mark.parametrize("text", [MOODLE, TURKISH_MOODLE], ids=["English", "Turkish"])
def test_moodles_worksheet_gets_grades_on_its_scale_and_nothing_else_changes(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "w.csv").write_text(text, "utf-8-sig", newline="")
    marks = [mark("A. Y.", Upload("moodle", "101", "A. Y.")), mark("Veli Kaya")]
    filled = fill_moodle(tmp_path / "w.csv", marks)
    assert filled.left == ("Veli Kaya",)
    assert filled.content.startswith(b"\xef\xbb\xbf")
    before = list(csv.reader(io.StringIO(text, newline="")))
    after = list(csv.reader(io.StringIO(filled.content.decode("utf-8-sig"), newline="")))
    assert (after[1][4], after[1][9] if text is MOODLE else "1.2: gelen 2") == ("40", "1.2: gelen 2")
    assert after[0] == before[0]
    assert after[2] == before[2]
    assert [cell for at, cell in enumerate(after[1]) if at not in (4, 9)] == [
        cell for at, cell in enumerate(before[1]) if at not in (4, 9)
    ]


def test_a_reason_in_moodles_worksheet_is_no_formula(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("Full name,Grade,Feedback comments\nAli Öz,,\n", "utf-8")
    result = TaskResult("1.1", "f", 5, State.MISSING, "yok")
    submission = Submission("Ali Öz", {}, ("=HYPERLINK(1).ipynb okunamadı",))
    filled = fill_moodle(tmp_path / "w.csv", [Mark(Graded(submission, "k", (result,)), (0.0,))])
    assert "Ali Öz,0,'=HYPERLINK" in filled.content.decode()


def test_without_ids_moodles_lines_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(MOODLE, "utf-8")
    filled = fill_moodle(tmp_path / "w.csv", [mark("ÖZ ALİ")])
    assert "Participant 102,Ali Öz,b@x.tr,No submission,40,100.00" in filled.content.decode()


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Ödev 1 (77),Ödev 10 (78),Final Score\n"
    "    Points Possible,,,,,5,10,(read only)\n"
    '"Yılmaz, Ayşe",501,s1,ayse@x.tr,A,,,\n'
    '"Öz, Ali",502,s2,ali@x.tr,A,3,,\n'
)


def test_canvas_gradebook_gets_grades_on_the_columns_scale(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(CANVAS, "utf-8")
    marks = [mark("yilmazayse", Upload("canvas", "501", "yilmazayse")), mark("Ali Öz")]
    filled = fill_canvas(tmp_path / "c.csv", marks, "Ödev 1 ")
    assert filled.left == ()
    rows = list(csv.reader(io.StringIO(filled.content.decode("utf-8"), newline="")))
    assert [row[5] for row in rows] == ["Ödev 1 (77)", "5", "2", "2"]
    assert [row[6] for row in rows] == ["Ödev 10 (78)", "10", "", ""]


@pytest.mark.parametrize("assignment", ["", "Ödev", "Lab"])
def test_an_assignment_that_is_not_one_column_is_refused(tmp_path: Path, assignment: str) -> None:
    (tmp_path / "c.csv").write_text(CANVAS, "utf-8")
    with pytest.raises(CourseError, match=r"Ödev 1 \(77\), Ödev 10 \(78\)"):
        fill_canvas(tmp_path / "c.csv", [], assignment)


def test_another_file_is_no_worksheet(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(CourseError, match="not çizelgesi değil"):
        fill_moodle(tmp_path / "w.csv", [])
    with pytest.raises(CourseError, match="not defteri değil"):
        fill_canvas(tmp_path / "w.csv", [], "x")


class Text(HTMLParser):
    """What a browser shows, and the names of the elements."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.feed(source)

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)


def test_a_students_page_says_points_what_failed_and_the_hint() -> None:
    shown = " ".join(Text(page(mark("Ayşe", partial=True))).text.split())
    for text in (
        "Ayşe: 5.5 / 10 puan",
        "gelen 2",
        "İpucu: kelimeleri say",
        "4 testten 1 tanesi geçti",
        "uyarı",
    ):
        assert text in shown


def test_a_crash_is_shown_by_its_line_and_by_the_hint_that_names_the_mistake() -> None:
    crash = Crash("greet(None)", "return name.lower()", "AttributeError: …")
    hint = "Bu satırda değer None gelmiş"
    failed = replace(RESULTS[1], state=State.CRASHED, message="AttributeError", hint=hint, crash=crash)
    shown = Text(page(replace(mark(), graded=replace(mark().graded, results=(failed,)), scores=(0,)))).text
    for text in ("greet(None)", "return name.lower()", hint):
        assert text in shown


def test_nothing_of_a_student_becomes_html() -> None:
    results = (replace(RESULTS[1], message="<script>x</script>", hint="<img src=x>"),)
    one = mark("<b>ayşe</b>")
    one = replace(one, graded=replace(one.graded, results=results), scores=(0,))
    read = Text(page(one))
    assert "<script>x</script>" in read.text
    assert read.tags.isdisjoint({"script", "img", "b"})


def test_the_zip_of_feedback_is_named_as_moodle_reads_it(tmp_path: Path) -> None:
    """By the rules of importziplib.php: parts between `_`, at most five, of a folder's name."""
    marks = [mark("Ayşe Yılmaz", Upload("moodle", "101", "Ayşe Yılmaz")), mark("Elden Veren")]
    folder, target = write_feedback(tmp_path / "feedback", marks)
    assert sorted(path.name for path in folder.iterdir()) == ["Ayşe Yılmaz.html", "Elden Veren.html"]
    with zipfile.ZipFile(target) as archive:
        (name,) = archive.namelist()
    part, rest = name.split("/")
    assert part.split("_", 4) == ["Ayşe Yılmaz", "101", "assignsubmission", "file", ""]
    assert rest == "geri-bildirim.html"


def test_pages_of_an_earlier_grading_do_not_stay(tmp_path: Path) -> None:
    write_feedback(tmp_path / "feedback", [mark("giden")])
    write_feedback(tmp_path / "feedback", [mark("kalan")])
    assert [path.name for path in (tmp_path / "feedback").iterdir()] == ["kalan.html"]


def test_the_autograder_holds_the_course_and_two_scripts_that_a_shell_reads(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path / "course")
    make_autograder(course, tmp_path / "a.zip", [1], partial=True)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        scripts = {name: archive.read(name) for name in ("setup.sh", "run_autograder")}
        modes = {name: archive.getinfo(name).external_attr >> 16 for name in scripts}
    assert {"course/src/safechat/words.py", "course/tests/steps/test_01_words.py"} <= set(names)
    assert not [name for name in names if "wrong_answers" in name]
    assert set(modes.values()) == {0o755}
    for name, script in scripts.items():
        (tmp_path / name).write_bytes(script)
        subprocess.run(["bash", "-n", str(tmp_path / name)], check=True)
    assert "--single --gradescope --lesson 1 --partial --out" in scripts["run_autograder"].decode()
    fallback = re.search(r"printf '(.*)' >", scripts["run_autograder"].decode())
    assert fallback is not None
    assert json.loads(fallback[1])["score"] == 0


def test_a_course_that_is_not_right_becomes_no_autograder(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path / "course")
    mini.write(course.lessons / "01_words.ipynb", mini.notebook(mini.GREET_STUB))
    with pytest.raises(CourseError, match=r"task 1\.2"):
        make_autograder(Course(course.root), tmp_path / "a.zip")
