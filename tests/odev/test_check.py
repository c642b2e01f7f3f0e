"""`check` judges what was run, saved or not; in a student's copy what passes lands in the package."""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import IPython.display
import nbformat
import pytest
from IPython.display import Pretty
from nbclient import NotebookClient
from rich.console import Console

import mini_course as mini
import odev
from odev.course import marker, students_copy
from odev.course.course import Course
from odev.course.splice import splice
from odev.course.students_copy import landed, mark_students
from odev.grading.result import State, TaskResult
from odev.student.check import Session, check, status
from odev.student.report import Report
from odev.student.waiting import line_in_cell

WRONG = mini.WRONG["1.1_never_all"]
HALF = '#| odev 1.1 words.greet\ndef _all():\n    return "herkes"\n\ndef greet(name):\n'
HELPED = HALF + '    return f"Merhaba {name or _all()}"\n'


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return mini.mini_course(tmp_path)


@pytest.fixture
def students(course: Course) -> Course:
    """A student's copy: src holds the stubs."""
    for task in course.tasks:
        path = course.module(task)
        path.write_text(splice(path.read_text("utf-8"), task.name, course.stubs[task.id]), "utf-8")
    mark_students(course.root, course.tasks)
    return course


def states(report: Report) -> dict[str, State]:
    return {result.task: result.state for result in report.results}


def test_the_last_run_version_counts_saved_or_not(course: Course) -> None:
    session = Session(("x = 1", mini.GOOD_GREET, WRONG, mini.GOOD_COUNT))
    report = check(1, course=course, session=session)
    assert states(report) == {"1.1": State.FAILED, "1.2": State.PASSED}
    assert (report.score, report.points, report.passed) == (6, 10, False)
    assert states(check(1, course=course, session=Session((WRONG, mini.GOOD_GREET))))["1.1"] is State.PASSED


def test_a_cell_that_was_not_run_is_read_from_the_saved_file_with_a_note(course: Course) -> None:
    mini.write(course.root / "benim.ipynb", mini.notebook(mini.GOOD_GREET, mini.GOOD_COUNT))
    session = Session((WRONG,), course.root / "benim.ipynb")
    report = check(course=course, session=session)
    assert states(report) == {"1.1": State.FAILED, "1.2": State.PASSED}
    assert report.notes[0].startswith("Bu oturumda çalıştırılmadı, kayıtlı dosyadan okundu: 1.2.")


def test_without_a_number_it_is_the_lesson_that_was_run_last(course: Course) -> None:
    report = check(course=course, session=Session((mini.GOOD_GREET, mini.GOOD_QUEUE)))
    assert report.title == "Kuyruk"
    report = check(course=course, session=Session((mini.GOOD_QUEUE, mini.GOOD_GREET)))
    assert report.title == "Kelimeler"


def test_in_a_shell_the_file_is_judged(course: Course) -> None:
    mini.write(course.lessons / "01_words.ipynb", mini.notebook(WRONG, mini.GOOD_COUNT, mini.GOOD_GREET))
    report = check(1, course=course, session=Session())
    assert states(report) == {"1.1": State.PASSED, "1.2": State.PASSED}
    assert "birden çok kez" in report.notes[0]
    assert states(check("1.2", course=course, session=Session())) == {"1.2": State.PASSED}


def test_a_student_who_loses_a_cell_or_a_file_still_sees_every_task(students: Course) -> None:
    mini.write(students.lessons / "01_words.ipynb", mini.notebook(mini.GOOD_COUNT))
    assert states(check(1, course=Course(students.root), session=Session())) == {
        "1.1": State.MISSING,
        "1.2": State.PASSED,
    }
    mini.write(students.lessons / "01_words.ipynb", "{")
    report = check(1, course=Course(students.root), session=Session())
    assert set(states(report).values()) == {State.MISSING}
    assert "okunamadı" in report.notes[0]
    (students.lessons / "01_words.ipynb").unlink()
    report = check(1, course=Course(students.root), session=Session())
    assert (report.title, set(states(report).values())) == ("Ders 1", {State.MISSING})
    assert "bulunamadı" in report.notes[0]


def test_what_is_not_there_is_said(course: Course) -> None:
    assert check("1.7", course=course, session=Session()).notes == ("1.7 numaralı görev yok.",)
    assert check(9, course=course, session=Session()).notes == ("9. derste görev yok.",)
    assert "'bir' ne ders ne görev" in repr(check("bir", course=course, session=Session()))


def test_where_there_is_no_task_there_is_no_empty_table(course: Course) -> None:
    report = check(9, course=course, session=Session())
    console = Console(record=True, file=io.StringIO())
    console.print(report)
    assert console.export_text().strip() == repr(report) == "9. derste görev yok."
    assert "<table>" not in report._repr_html_()


def test_a_long_name_of_a_task_is_whole_in_a_narrow_terminal() -> None:
    name = "client.generation.AsyncGeneration"
    result = TaskResult("8.3", name, 6, State.UNWRITTEN, f"henüz yazılmadı: `#| odev 8.3 {name}` satırı")
    console = Console(record=True, file=io.StringIO(), width=80)
    console.print(Report("08", (result,)))
    assert "…" not in console.export_text()


@pytest.mark.parametrize("hints", ["2", 2, 7, None])
def test_whatever_ipucu_is_the_report_can_be_shown(
    hints: object, monkeypatch: pytest.MonkeyPatch, course: Course
) -> None:
    monkeypatch.chdir(course.root)
    monkeypatch.setattr(odev.student.check, "this_session", lambda: Session((WRONG,)))
    assert "1.1 words.greet" in repr(odev.check("1.1", ipucu=hints))  # type: ignore[arg-type]


def test_one_lesson_takes_under_five_seconds(course: Course) -> None:
    before = processor_seconds()
    check(1, course=course, session=Session((WRONG, mini.GOOD_COUNT)))
    assert processor_seconds() - before < 5


def processor_seconds() -> float:
    """Of this process and of those that it has waited for: a busy machine does not change them."""
    return sum(os.times()[:4])


def test_the_report_names_points_failure_and_hint_in_every_dress(course: Course) -> None:
    report = check(1, course=course, session=Session((WRONG, mini.COUNT_STUB)))
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(report)
    for text in (repr(report), report._repr_html_(), console.export_text()):
        for word in ("1.1", "words.greet", "0/4", "Merhaba herkes", "isim boşsa herkese selam ver", "0/10"):
            assert word in text, (word, text)
        assert "henüz yazılmadı" in text


def test_what_a_cell_says_is_not_html(course: Course) -> None:
    bold = "#| odev 1.1 words.greet\ndef greet(name):\n    raise ValueError('<b>kalın</b>')\n"
    assert "<b>kalın" not in check("1.1", course=course, session=Session((bold,)))._repr_html_()


def test_status_counts_all_lessons_and_names_what_is_next(course: Course) -> None:
    progress = status(course=course, session=Session((mini.GOOD_GREET,)))
    assert [(lesson.score, lesson.points) for lesson in progress.lessons] == [(4, 10), (0, 10)]
    assert "Sıradaki: 1.2 words.count (lessons/01_words.ipynb)" in repr(progress)
    assert "Toplam 4/20" in progress._repr_html_()
    done = Session((mini.GOOD_GREET, mini.GOOD_COUNT, mini.GOOD_QUEUE))
    assert "Hepsi bitti!" in repr(status(course=course, session=done))


def test_status_tells_how_far_it_is(course: Course) -> None:
    totals: list[int] = []
    status(course=course, session=Session((mini.GOOD_GREET,)), progress=totals.append)
    assert totals == [3, 3, 3]


def test_the_line_in_a_cell_counts_and_is_empty_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Line:
        def __init__(self, text: Pretty, *, display_id: bool) -> None:
            assert display_id
            self.update(text)

        def update(self, text: Pretty) -> None:
            shown.append(text.data)

    monkeypatch.setattr(IPython.display, "display", Line)
    with suppress(KeyboardInterrupt), line_in_cell() as progress:
        progress(3)
        progress(3)
        raise KeyboardInterrupt
    assert [text.partition("bir dakika sürebilir")[2] for text in shown[:-1]] == [" …", ": 1/3", ": 2/3"]
    assert shown[-1] == ""


def test_status_lands_nothing(students: Course) -> None:
    progress = status(course=students, session=Session((mini.GOOD_GREET,)))
    assert progress.lessons[0].score == 4
    assert landed(students) == {}


def test_nothing_lands_in_the_references_src(course: Course) -> None:
    before = course.module(course.tasks[0]).read_bytes()
    report = check("1.1", course=course, session=Session((mini.GOOD_GREET,)))
    assert report.passed
    assert course.module(course.tasks[0]).read_bytes() == before


def test_a_task_that_needs_another_one_says_which(students: Course) -> None:
    cell = "#| odev 1.2 words.count\ndef count(text):\n    return len(greet(text))\n"
    (result,) = check("1.2", course=students, session=Session((cell,))).results
    assert (result.state, result.message) == (State.FAILED, "bunun için önce 1.1 numaralı görev gerekiyor")


def test_in_a_students_copy_what_passes_lands_and_what_fails_does_not(students: Course) -> None:
    session = Session((HELPED, mini.WRONG["1.2_spaces"]), modules=frozenset({"safechat.words"}))
    report = check(1, course=students, session=session)
    words = students.module(students.tasks[0]).read_text("utf-8")
    assert "def _all():" in words
    assert 'NotImplementedError("ÖDEV 1.1")' not in words
    assert 'NotImplementedError("ÖDEV 1.2")' in words
    landed_note, restart_note = report.notes
    assert landed_note == "1.1 artık senin paketinde: src/safechat/words.py"
    assert "Kernel → Restart" in restart_note
    assert landed(students) == {"1.1": ["_all"]}


def test_the_restart_is_spoken_of_once_in_a_kernel(students: Course) -> None:
    modules, once = frozenset({"safechat.words"}), set[str]()
    for greeting, notes in ((HELPED, 2), (HELPED.replace('"herkes"', "'herkes'"), 1)):
        session = Session((greeting,), modules=modules, once=once)
        assert len(check("1.1", course=students, session=session).notes) == notes


def test_a_kernel_that_has_not_loaded_the_module_needs_no_restart(students: Course) -> None:
    session = Session((HELPED,), modules=frozenset({"safechat", "safechat.errors"}))
    assert check("1.1", course=students, session=session).notes == (
        "1.1 artık senin paketinde: src/safechat/words.py",
    )


def test_a_read_only_copy_shows_the_points_and_says_that_nothing_landed(
    students: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(marker, "replace_text", refuse)
    monkeypatch.setattr(students_copy, "replace_text", refuse)
    report = check("1.1", course=students, session=Session((HELPED,)))
    assert (report.passed, report.score) == (True, 4)
    (note,) = report.notes
    assert note.startswith("1.1 geçti ve puanın sayıldı, ama kodun src/safechat/words.py içine yazılamadı")
    assert landed(students) == {}


def test_a_cell_without_its_tag_that_defines_the_name_later_is_noted(course: Course) -> None:
    untagged = "def greet(name):\n    return 'x'\n"
    late = check("1.1", course=course, session=Session((mini.GOOD_GREET, untagged, "greet('')")))
    assert late.passed
    (note,) = late.notes
    assert "etiketsiz bir hücre yeniden tanımladı" in note
    assert "`#| odev 1.1 words.greet`" in note
    early = check("1.1", course=course, session=Session((untagged, mini.GOOD_GREET, "greet('def greet')")))
    assert early.notes == ()


def test_what_is_not_written_yet_says_what_to_do(course: Course) -> None:
    session = Session((mini.GREET_STUB,))
    (result,) = check("1.1", course=course, session=session).results
    assert result.message.startswith("henüz yazılmadı: `#| odev 1.1 words.greet` satırı yerinde kalsın")
    assert result.message.endswith("hücreyi çalıştır")
    given = Session((mini.GREET_STUB.replace("words.greet", "words.greet given"),))
    (result,) = check("1.1", course=course, session=given).results
    assert "`#| odev 1.1 words.greet given` satırı yerinde kalsın" in result.message


CRASHES = "#| odev 1.1 words.greet\ndef greet(name):\n    return 'Merhaba ' + name.title[0]\n"


def test_a_crash_is_told_with_its_call_its_line_and_its_error_and_without_the_tests_hint(
    course: Course,
) -> None:
    report = check("1.1", course=course, session=Session((CRASHES,)))
    assert report.results[0].state is State.CRASHED
    text = repr(report)
    assert "greet(name='Ayşe') çağrılınca kodun çöktü: `return 'Merhaba ' + name.title[0]` satırı" in text
    assert "TypeError verdi" in text
    assert "f-string" not in text
    assert 'Hatayı bulamazsan: `check("1.1", ipucu=2)`' in text
    assert "<code>return &#x27;Merhaba &#x27; + name.title[0]</code>" in report._repr_html_()
    second = repr(check("1.1", hints=2, course=course, session=Session((CRASHES,))))
    assert "    İpucu: f-string" in second  # the first that is shown
    assert "İkinci ipucu" not in second


@pytest.mark.parametrize(
    ("argument", "shown"),
    [("pytest.fixture", "fixture"), ("ValueError", "ValueError"), ("object()", "<object>")],
)
def test_a_crash_shows_functions_by_their_names_and_objects_without_addresses(
    course: Course, argument: str, shown: str
) -> None:
    mini.write(course.steps / "test_01_words.py", mini.STEPS_1.replace('greet("Ayşe")', f"greet({argument})"))
    crashes = CRASHES.replace("name.title[0]", "name.nothing")
    report = check("1.1", course=course, session=Session((crashes,)))
    assert f"greet(name={shown}) çağrılınca kodun çöktü" in repr(report)


def test_a_failed_test_says_the_call_what_came_what_was_expected_and_how_many_passed(course: Course) -> None:
    text = repr(check("1.1", course=course, session=Session((WRONG,))))
    assert "greet('') → 'Merhaba '; beklenen: 'Merhaba herkes' (2 testten 1 tanesi geçti)" in text


def test_the_second_hint_comes_on_request(course: Course) -> None:
    steps = course.steps / "test_01_words.py"
    more = 'hint="isim boşsa herkese selam ver", more="`or` yeter"'
    mini.write(steps, mini.STEPS_1.replace('hint="isim boşsa herkese selam ver"', more))
    session = Session((WRONG,))
    first = repr(check("1.1", course=course, session=session))
    assert 'Yetmezse: `check("1.1", ipucu=2)`' in first
    assert "`or` yeter" not in first
    assert "İkinci ipucu: `or` yeter" in repr(check("1.1", hints=2, course=course, session=session))
    no_more = check("1.2", hints=2, course=course, session=Session((mini.WRONG["1.2_spaces"],)))
    assert "Bu testin ikinci ipucu yok" in repr(no_more)


def test_a_better_answer_lands_over_the_one_before_with_its_helpers(students: Course) -> None:
    check("1.1", course=students, session=Session((HELPED,)))
    better = HELPED.replace('"herkes"', "'herkes'")
    assert check("1.1", course=students, session=Session((better,))).passed
    words = students.module(students.tasks[0]).read_text("utf-8")
    assert words.count("def _all") == 1
    assert "'herkes'" in words
    assert check("1.1", course=students, session=Session((better,))).notes == ()
    broken = HELPED.replace('"herkes"', "1 / 0")
    assert not check("1.1", course=students, session=Session((broken,))).passed
    assert "1 / 0" not in students.module(students.tasks[0]).read_text("utf-8")


TOLD = '#| odev 1.1 words.greet\nALL = "herkes"\ngreet = lambda name: f"Merhaba {name or ALL}"\n'
COUNTED = "#| odev 1.2 words.count\nALL = str.split\n\ndef count(text):\n    return len(ALL(text))\n"


def test_constants_and_lambdas_land_and_two_tasks_may_use_one_name(students: Course) -> None:
    for _ in range(2):  # the second time over what has landed
        report = check(1, course=students, session=Session((TOLD, COUNTED)))
        assert report.passed, report
    words = students.module(students.tasks[0]).read_text("utf-8")
    assert words.count('ALL = "herkes"') == words.count("ALL_of_count = str.split") == 1
    assert landed(students) == {"1.1": ["ALL"], "1.2": ["ALL_of_count"]}
    check("1.1", course=students, session=Session((mini.GOOD_GREET,)))
    words = students.module(students.tasks[0]).read_text("utf-8")
    assert ("lambda" in words, words.count("ALL_of_count")) == (False, 2)


JOINED = """#| odev 1.1 words.greet
import textwrap

def greet(name):
    return textwrap.dedent(f"Merhaba {name or 'herkes'}")
"""


def test_an_import_of_an_earlier_answer_is_gone_with_it(students: Course) -> None:
    words = students.module(students.tasks[0])
    for _ in range(2):
        assert check("1.1", course=students, session=Session((JOINED,))).passed
        assert words.read_text("utf-8").count("import textwrap") == 1
    forgotten = JOINED.replace("import textwrap\n", "")
    assert not check("1.1", course=students, session=Session((forgotten,))).passed
    counts = "#| odev 1.2 words.count\ndef count(text):\n    return len(textwrap.dedent(text).split())\n"
    report = check("1.2", course=students, session=Session((counts,)))
    assert "`import textwrap` 1.1 numaralı görevin hücresinde" in report.results[0].message
    assert check("1.1", course=students, session=Session((mini.GOOD_GREET,))).passed
    assert "textwrap" not in words.read_text("utf-8")


TRIALS = """%%time
#| odev 1.1 words.greet
import pytest, unittest
from unittest.mock import ANY

!ls
names = !ls
def greet(name):
    return f"Merhaba {name or 'herkes'}"

def test_greet():
    with pytest.raises(ValueError):
        greet(ANY)

greet?
"""


def test_own_trials_with_test_tools_and_lines_of_ipython_cost_nothing(course: Course) -> None:
    report = check("1.1", course=course, session=Session((TRIALS,)))
    assert states(report) == {"1.1": State.PASSED}
    assert [note for note in report.results[0].notes if "`pytest`, `unittest`: kendi denemelerin" in note]
    mini.write(course.lessons / "01_words.ipynb", mini.notebook(TRIALS))
    assert states(check("1.1", course=course, session=Session())) == {"1.1": State.PASSED}


def test_importing_odev_is_cheap() -> None:
    script = (
        "import sys, odev; print([m for m in ('rich', 'pytest', 'llmock', 'psutil') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_function_stays_a_function_whatever_is_imported() -> None:
    importlib.import_module("odev.student.check")
    assert callable(odev.check)


def test_in_a_real_kernel_the_cells_that_were_run_are_judged(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function call and the magic, with nothing saved; the answer shows itself."""
    monkeypatch.setenv("IPYTHONDIR", str(course.root / "ipython"))
    timed = "%%time\n" + mini.GOOD_GREET + "\n!true\ngreet?"
    cells = (
        "from odev import check",
        WRONG,
        timed,
        "check(1.1)",
        "%odev check ipucu=2",
        "%odev status",
    )
    notebook = nbformat.reads(mini.notebook(*cells), as_version=4)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(course.lessons)}}, timeout=60)
    client.execute()
    outputs = [json.dumps(cell.outputs, ensure_ascii=False) for cell in notebook.cells]
    assert "4/4" in outputs[3]
    assert "text/html" in outputs[3]
    assert "4/10" in outputs[4]
    assert "henüz yazılmadı" in outputs[4]
    assert "4/20" in outputs[5]
    assert notebook.cells[5].outputs[0].data == {"text/plain": ""}  # the line that counted is gone
