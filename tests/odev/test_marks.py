"""From results to marks: the roster, points for a part of the tests, days late, what changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from odev.course.course import CourseError
from odev.grading.result import State, TaskResult
from odev.instructor.changes import changes, last_scores
from odev.instructor.exports import write_json
from odev.instructor.grade import Graded
from odev.instructor.marks import Mark, Rules, TakenExam, deadline_of, late_rate, mark_all
from odev.instructor.roster import Student, read_roster, with_roster
from odev.instructor.submission import Submission
from odev.instructor.uploads import Upload

DEADLINE = datetime(2026, 11, 20, 23, 59, 59)
RESULTS = (
    TaskResult("1.1", "words.greet", 4, State.PASSED, tests=2, passed_tests=2),
    TaskResult("1.2", "words.count", 6, State.FAILED, "gelen 2", "kelimeleri say", tests=3, passed_tests=1),
    TaskResult("2.1", "words.Queue", 10, State.UNWRITTEN, "henüz yazılmadı"),
)


def graded(name: str = "ayşe", time: float | None = None, upload: Upload | None = None) -> Graded:
    return Graded(Submission(name, {}, (), upload, time), "key", RESULTS)


def mark(rules: Rules, one: Graded | None = None, student: Student | None = None) -> Mark:
    one = one or graded()
    (only,) = mark_all([one], rules, {one.name: student} if student else {})
    return only


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20", DEADLINE),
        ("2026-11-20T18:00", datetime(2026, 11, 20, 18)),
        ("2026-11-20 00:00:00", datetime(2026, 11, 20)),
    ],
)
def test_a_deadline_without_a_time_is_the_end_of_the_day(text: str, moment: datetime) -> None:
    assert deadline_of(text) == moment


@pytest.mark.parametrize("text", ["dün", "", "20.11.2026", "2026-13-01", "0001-01-01"])
def test_another_deadline_is_refused(text: str) -> None:
    with pytest.raises(CourseError, match="örnek: --deadline 2026-11-20T23:59:59"):
        deadline_of(text)


def test_a_submission_without_any_cell_has_its_own_reason_and_not_one_for_each_task() -> None:
    results = tuple(replace(one, state=State.MISSING, message="hücresi yok") for one in RESULTS)
    nothing = Graded(Submission("ayşe", {}, ("a.rar açılamıyor",)), "key", results)
    assert mark(Rules(), nothing).reasons == ("a.rar açılamıyor",)
    part = replace(nothing, results=(RESULTS[0], *results[1:]))
    assert mark(Rules(), part).reasons == ("1.2: hücresi yok", "2.1: hücresi yok")


@pytest.mark.parametrize("state", [State.BUSY, State.UNJUDGED])
def test_a_zero_without_a_verdict_is_a_warning(state: State) -> None:
    one = replace(graded(), results=(replace(RESULTS[1], state=state), RESULTS[2]))
    assert one.warnings == ("puanlanamadı: 1.2; aynı komutu yeniden çalıştır",)


def test_a_task_gives_all_its_points_or_none() -> None:
    assert (mark(Rules()).score, mark(Rules()).points) == (4, 20)


def test_partial_points_are_those_of_the_tests_that_passed() -> None:
    assert mark(Rules(partial=True)).scores == (4, 2, 0)


@pytest.mark.parametrize("state", [State.TAMPERED, State.TIME, State.UNREADABLE, State.MEMORY, State.MISSING])
def test_tests_that_did_not_run_to_their_end_give_no_partial_points(state: State) -> None:
    results = (replace(RESULTS[1], state=state),)
    assert mark(Rules(partial=True), replace(graded(), results=results)).score == 0


@pytest.mark.parametrize(
    ("seconds", "days", "score"), [(-1, 0, 4), (0, 0, 4), (1, 1, 3.6), (86_400, 1, 3.6), (90_000, 2, 3.2)]
)
def test_each_day_that_began_after_the_deadline_costs_its_part(seconds: int, days: int, score: float) -> None:
    late = mark(Rules(late=0.1, deadline=DEADLINE), graded(time=DEADLINE.timestamp() + seconds))
    assert (late.days, late.score) == (days, score)


def test_no_day_takes_more_than_there_is() -> None:
    late = mark(Rules(late=0.1, deadline=DEADLINE), graded(time=DEADLINE.timestamp() + 86_400 * 30))
    assert late.score == 0


def test_what_canvas_marks_as_late_is_a_day_late() -> None:
    late = mark(Rules(late=0.1), graded(upload=Upload("canvas", "5", "ayşe", late=True)))
    assert (late.days, late.score, late.reasons[-1]) == (1, 3.6, "1 gün geç: -0.4 puan")


def test_the_rosters_days_count_before_the_files_time() -> None:
    late = graded(time=DEADLINE.timestamp() + 86_400 * 5)
    assert mark(Rules(late=0.1, deadline=DEADLINE), late, Student("ayşe", days=0)).score == 4


@pytest.mark.parametrize("text", ["10%/gün", "%10/gün", "10%", "10 %/day", "10,0%/gun"])
def test_a_rate_is_read_as_people_write_it(text: str) -> None:
    assert late_rate(text) == 0.1


@pytest.mark.parametrize("text", ["", "10", "on%", "-5%", "101%", "10%/saat", "nan%"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(CourseError, match="10%/gün"):
        late_rate(text)


def test_a_changed_exam_is_told_where_both_have_a_verdict(tmp_path: Path) -> None:
    def marks(*exams: TakenExam | None) -> list[Mark]:
        return [
            replace(mark(Rules(), graded(name)), exam=exam) for name, exam in zip("abc", exams, strict=True)
        ]

    taken = TakenExam(40, 100)
    write_json(tmp_path / "grades.json", marks(taken, replace(taken, judged=False), None))
    now = marks(replace(taken, score=90), taken, taken)
    assert changes(last_scores(tmp_path / "grades.json"), now) == ["a: sınav 40 → 90 puan"]


def test_what_changed_since_the_last_grading_is_told_by_name(tmp_path: Path) -> None:
    before = [mark(Rules(), graded(name)) for name in ("ali", "ayşe", "giden")]
    assert changes(last_scores(tmp_path / "grades.json"), before) == []  # the first grading
    write_json(tmp_path / "grades.json", before)
    now = [mark(Rules(), graded("ali")), mark(Rules(partial=True), graded()), mark(Rules(), graded("yeni"))]
    assert changes(last_scores(tmp_path / "grades.json"), now) == [
        "ayşe: 4 → 6 puan",
        "yeni: yeni, 4 puan",
        "giden: artık yok (4 puandı)",
    ]


def test_a_broken_file_of_the_last_grading_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "grades.json").write_text('[{"name": 3}]', "utf-8")
    assert last_scores(tmp_path / "grades.json") is None


ROSTERS = {
    "names alone": "Ayşe Yılmaz\nAli Öz\n",
    "Turkish Excel": "Öğrenci No;Ad;Soyad;Gecikme\n101;Ayşe;Yılmaz;\n102;Ali;Öz;\n",
    "Moodle": '"Ad Soyad","E-posta adresi"\n"Ayşe Yılmaz",ay@x.tr\n"Ali Öz",ali@x.tr\n',
    "English": "First name\tLast name\tID number\nAyşe\tYılmaz\t101\nAli\tÖz\t102\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1254"])
@pytest.mark.parametrize("text", ROSTERS.values(), ids=ROSTERS)
def test_a_roster_is_read_as_it_comes(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "names.csv").write_text(text, encoding)
    assert [student.name for student in read_roster(tmp_path / "names.csv")] == ["Ayşe Yılmaz", "Ali Öz"]


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"PK\x03\x04\0\0", b"ad;gecikme\nali;cok\n", b"sira;isimler\n1;Ali\n"]
)
def test_what_is_no_roster_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "names.csv").write_bytes(content)
    with pytest.raises(CourseError):
        read_roster(tmp_path / "names.csv")


ROSTER = [Student("Ayşe Gül Yılmaz", "20231", "agul@x.tr"), Student("Ali Öz", "20232"), Student("Işıl Çam")]


@pytest.mark.parametrize(
    "name",
    ["Ayşe Gül Yılmaz", "AYŞE GÜL YILMAZ", "yilmazaysegul", "Yılmaz, Ayşe Gül", "20231", "odev1_20231",
     "agul", "ödev Ayşe Gül Yılmaz"],
)  # fmt: skip
def test_a_student_is_known_however_the_files_are_named(name: str) -> None:
    listed, students = with_roster([Submission(name, {})], ROSTER)
    assert students["Ayşe Gül Yılmaz"] is ROSTER[0]
    assert [(one.name, one.warnings) for one in listed] == [
        ("Ali Öz", ("teslim yok",)),
        ("Ayşe Gül Yılmaz", ()),
        ("Işıl Çam", ("teslim yok",)),
    ]


@pytest.mark.parametrize("name", ["Veli Kaya", "Ali", "20239", ""])
def test_who_is_not_on_the_roster_stays_and_is_named(name: str) -> None:
    listed, _ = with_roster([Submission(name, {})], ROSTER)
    (stranger,) = [one for one in listed if one.name == name]
    assert "listede böyle biri yok" in stranger.warnings[0]


def test_two_students_of_one_name_are_told_apart_by_their_numbers() -> None:
    roster = [Student("Ali Öz", "1"), Student("Ali Öz", "2")]
    listed, _ = with_roster([Submission("Ali Öz 2", {}), Submission("ali öz", {})], roster)
    assert [(one.name, len(one.warnings)) for one in listed] == [
        ("ali öz", 1),
        ("Ali Öz (1)", 1),
        ("Ali Öz (2)", 0),
    ]


def test_no_two_rows_have_one_name_whatever_the_roster_says() -> None:
    roster = [Student("Ali Öz", "1", "a@x"), Student("ALİ ÖZ", "1", "b@x"), Student("Ali Öz", "1", days=1)]
    listed, students = with_roster([Submission("Ali Öz (1)", {})], roster)
    assert {one.name for one in listed} == {"Ali Öz (1)", "Ali Öz (a@x)", "ALİ ÖZ (b@x)", "Ali Öz (2)"}
    assert students == {"Ali Öz (a@x)": roster[0], "ALİ ÖZ (b@x)": roster[1], "Ali Öz (2)": roster[2]}


def test_a_name_in_another_script_and_a_line_twice_are_one_student() -> None:
    listed, _ = with_roster([Submission("أحمد علي", {})], [Student("أحمد علي"), Student("أحمد علي")])
    assert [(one.name, one.warnings) for one in listed] == [("أحمد علي", ())]


def test_two_submissions_of_one_student_are_both_kept_and_named() -> None:
    listed, students = with_roster([Submission("Ali Öz", {}), Submission("ozali", {})], [Student("Ali Öz")])
    assert [one.name for one in listed] == ["Ali Öz", "ozali"]
    assert all("2 teslim" in one.warnings[0] for one in listed)
    assert set(students) == {"Ali Öz", "ozali"}


def test_a_comma_in_quotes_does_not_divide_the_columns(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text('"Yılmaz, Ayşe";12\n"Öz, Ali";13\n', "utf-8")
    assert [student.name for student in read_roster(tmp_path / "names.csv")] == ["Yılmaz, Ayşe", "Öz, Ali"]
