"""`verify` finds nothing wrong with a good course, and names each thing that is wrong with another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import mini_course as mini
from odev.author import verify as verifying
from odev.author.inspection import inspect
from odev.author.verify import verify
from odev.course.course import Course
from odev.course.splice import splice
from odev.grading import fork_server

LESSON = "01_words.ipynb"
EASY = STUB = mini.GREET_STUB


def test_a_good_course_has_no_problem(tmp_path: Path) -> None:
    assert verify(mini.mini_course(tmp_path)) == []


def lesson(course: Course, *cells: str) -> None:
    mini.write(course.lessons / LESSON, mini.notebook(*cells))


def source(course: Course, old: str, new: str) -> None:
    path = course.src / "safechat" / "words.py"
    assert old in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


def steps(course: Course, old: str, new: str) -> None:
    path = course.steps / "test_01_words.py"
    assert old in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")


def wrong(course: Course, name: str, text: str) -> None:
    mini.write(course.wrong_answers / f"{name}.py", text)


def add_a_test(course: Course, mark: str, body: str = "from safechat.words import count") -> None:
    path = course.steps / "test_01_words.py"
    added = f"\n\n@pytest.mark.task({mark})\ndef test_more():\n    {body}\n"
    path.write_text(path.read_text("utf-8") + added, "utf-8")


NEEDLESS = """

@pytest.mark.task("1.2", points=6, hint="say")
def test_needs_the_other_task():
    from safechat.words import count, greet

    assert count(greet("a")) == 2
"""
PASSING_STUB = STUB.replace('raise NotImplementedError("ÖDEV 1.1")', "return f\"Merhaba {name or 'herkes'}\"")

PROBLEMS: dict[str, tuple[Callable[[Course], object], str]] = {
    "a stub passes": (lambda c: lesson(c, PASSING_STUB, mini.COUNT_STUB), "task 1.1: the stub passes"),
    "a solution fails": (
        lambda c: source(c, "herkes", "millet"),
        "task 1.1: the solution fails tests/steps/test_01_words.py::test_greets_all: greet",
    ),
    "a test of something else": (
        lambda c: add_a_test(c, '"1.2", points=6, hint="x"', "import safechat"),
        "task 1.2: the stub passes tests/steps/test_01_words.py::test_more",
    ),
    "a wrong answer passes": (
        lambda c: wrong(c, "1.1_right", mini.GOOD_GREET.replace("\n", "\n# hint: f-string\n", 1)),
        "1.1_right.py: passes",
    ),
    "it fails without its hint": (
        lambda c: wrong(c, "1.1_no_name", mini.WRONG["1.1_no_name"].replace("f-string", "retry")),
        "1.1_no_name.py: fails without its hint 'retry'",
    ),
    "it fails another task": (
        lambda c: (c.steps / "test_01_words.py").write_text(mini.STEPS_1 + NEEDLESS, "utf-8"),
        "1.1_no_name.py: fails task 1.2 too: tests/steps/test_01_words.py::test_needs_the_other_task",
    ),
    "it does not fit": (
        lambda c: wrong(c, "1.1_no_name", "#| odev 1.1 words.greet\n# hint: f\ndef selam(): ...\n"),
        "1.1_no_name.py: does not fit into src",
    ),
    "it has no hint line": (lambda c: wrong(c, "1.1_no_name", mini.GOOD_GREET), "needs a tag line, then"),
    "its name is of another task": (
        lambda c: wrong(c, "1.2_x", mini.WRONG["1.1_no_name"]), "1.2_x.py: is of task 1.1",
    ),
    "a right answer fails": (
        lambda c: mini.write(
            c.right_answers / "1.1_x.py", mini.WRONG["1.1_no_name"].replace("# hint: f-string\n", "")
        ),
        "1.1_x.py: does not pass (failed): test_greets_by_name greet('Ayşe') → 'Merhaba'",
    ),
    "it is of no task": (
        lambda c: wrong(c, "9.1_x", "#| odev 9.1 words.greet\n# hint: f\ndef greet(): ...\n"),
        "9.1_x.py: there is no task 9.1",
    ),
    "a right answer without its tag": (
        lambda c: mini.write(c.right_answers / "1.1_x.py", "greet = print"), "1.1_x.py: needs a tag line",
    ),
    "a right answer of another task": (
        lambda c: mini.write(c.right_answers / "1.2_x.py", mini.GOOD_GREET), "1.2_x.py: is of task 1.1",
    ),
    "there is none": (lambda c: (c.wrong_answers / "1.2_spaces.py").unlink(), "task 1.2: 0 wrong answers, 1"),
    "a task without tests": (
        lambda c: (c.steps / "test_02_queue.py").write_text("", "utf-8"), "task 2.1: has no tests",
    ),
    "points that disagree": (
        lambda c: steps(c, "points=4", "points=5"),
        "task 1.1: the tests of one task disagree on its points: [4, 5]",
    ),
    "no hint": (lambda c: add_a_test(c, '"1.2", points=6'), "test_more: has no hint"),
    "no such task": (
        lambda c: add_a_test(c, '"1.9", points=6, hint="x"'), "test_more: there is no task 1.9",
    ),
    "no mark": (
        lambda c: add_a_test(c, '"bir", points=6, hint="x"'), 'test_more needs @pytest.mark.task("1.2"',
    ),
    "another signature": (
        lambda c: lesson(c, STUB.replace("name: str", "name"), mini.COUNT_STUB),
        "task 1.1: the stub's signature or docstring",
    ),
    "another docstring": (
        lambda c: lesson(c, STUB.replace("to all", "to none"), mini.COUNT_STUB),
        "task 1.1: the stub's signature or docstring",
    ),
    "another method": (
        lambda c: mini.write(
            c.lessons / "02_queue.ipynb", mini.notebook(mini.QUEUE_STUB.replace("The oldest", "The newest"))
        ),
        "task 2.1: the stub's Queue.get is not that of src",
    ),
    "a method too few": (
        lambda c: mini.write(
            c.lessons / "02_queue.ipynb", mini.notebook(mini.QUEUE_STUB.partition("    def get")[0])
        ),
        "task 2.1: the stub has no Queue.get",
    ),
    "a definition too long": (
        lambda c: source(c, "    return len", "    x = 1\n" * 40 + "    return len"),
        "task 1.2: count has 43 lines in src, 40 at most",
    ),
    "a definition that src does not have": (
        lambda c: source(c, "def count", "def count_words"), "task 1.2: words.py has no count",
    ),
    "a task of the tests without a stub": (
        lambda c: lesson(c, STUB), "task 1.2: its tests are there, but no lesson has its stub",
    ),
    "a stub that names another task": (
        lambda c: lesson(c, STUB.replace("ÖDEV 1.1", "ÖDEV 1.2"), mini.COUNT_STUB),
        "task 1.1: its cell in 01_words.ipynb is no stub",
    ),
    "a stub with another task's tag": (
        lambda c: lesson(c, STUB, STUB.replace("1.1", "1.2")),
        "task 1.2: its cell in 01_words.ipynb names words.greet, which is another task's",
    ),
    "a stub that the solution names otherwise": (
        lambda c: mini.write(
            c.solutions / "01_words.ipynb", mini.notebook(STUB.replace("words.greet", "words.count"))
        ),
        "task 1.1: its cell in 01_words.ipynb names words.greet, which is another task's",
    ),
    "a wrong answer that is the stub": (
        lambda c: wrong(c, "1.1_no_name", STUB.replace("\n", "\n# hint: f-string\n", 1)),
        "1.1_no_name.py: is the stub, not an answer",
    ),
    "a safe script that Python cannot read": (
        lambda c: mini.write(c.solutions / "ask_question.py", "def f(:\n"),
        "solutions/ask_question.py is broken: SyntaxError",
    ),
    "a safe script that names what is not there": (
        lambda c: mini.write(c.solutions / "ask_question.py", "from safechat import gret\n"),
        "solutions/ask_question.py is broken: ImportError",
    ),
    "a task twice": (lambda c: lesson(c, STUB, STUB, mini.COUNT_STUB), "task 1.1 is there twice"),
}  # fmt: skip


# seen only when the tests are run
RUN = [expected for _, expected in list(PROBLEMS.values())[:7]] + [
    "1.1_x.py: does not pass (failed): test_greets_by_name greet('Ayşe') → 'Merhaba'"
]


@pytest.mark.parametrize(("change", "expected"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_a_problem_is_named(tmp_path: Path, change: Callable[[Course], object], expected: str) -> None:
    course = mini.mini_course(tmp_path)
    if expected in RUN:
        for path in course.wrong_answers.iterdir():
            if path.stem != "1.1_no_name":  # the others would be a process more, for the same problem
                path.unlink()
    change(course)
    changed = Course(tmp_path)
    problems = verify(changed, [1]) if expected in RUN else inspect(changed).problems
    assert [problem for problem in problems if expected in problem], problems


def long_function(lines: int) -> str:
    """`count` with so many lines; the first is a decorator, the next ones a docstring."""
    head = ["@staticmethod", "def count(text: str) -> int:", '    """How many', '    words it has."""']
    return "\n".join([*head, *["    x = 1"] * (lines - len(head) - 1), "    return len(WORD.findall(text))"])


@pytest.mark.parametrize(("lines", "is_named"), [(40, False), (41, True)])
def test_a_task_is_too_long_from_its_forty_first_line(tmp_path: Path, lines: int, is_named: bool) -> None:
    course = mini.mini_course(tmp_path)
    text = long_function(lines)
    assert text.count("\n") + 1 == lines
    (course.src / "safechat" / "words.py").write_text(splice(mini.MODULE, "count", text), "utf-8")
    too_long = f"task 1.2: count has {lines} lines in src, 40 at most"
    assert (too_long in inspect(course).problems) is is_named


def test_a_wrong_answer_that_never_ends_fails_its_task_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "LIMITS", replace(verifying.LIMITS, seconds=1))
    course = mini.mini_course(tmp_path)
    wrong(course, "1.1_no_name", mini.NEVER_ENDS)
    assert verify(course, [1]) == []


STOPS_EARLY = mini.WRONG["1.1_no_name"].replace('    return "Merhaba"', "    import os\n\n    os._exit(0)")


def test_without_forks_the_same_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = mini.mini_course(tmp_path)
    wrong(course, "1.1_no_name", STOPS_EARLY)
    mini.write(
        course.right_answers / "2.1_deque.py", mini.WRONG["2.1_stack"].replace("# hint: ilk çıkar\n", "")
    )
    in_forks = verify(course)
    monkeypatch.setattr(fork_server, "POSSIBLE", False)
    assert verify(course) == in_forks
    assert "2.1_deque.py: does not pass (failed)" in " ".join(in_forks)


def test_a_problem_is_shown_at_once(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    source(course, "herkes", "millet")
    found: list[str] = []
    done: list[int] = []
    problems = verify(course, [1], found=found.append, progress=lambda total: done.append(len(found)))
    assert found == problems
    assert 0 < done[0] < len(problems)  # after the first check, the others' problems are still to come


NEEDS_A_LATER_ONE = """

@pytest.mark.task("1.1", points=4, hint="x")
def test_needs_the_queue():
    from safechat.words import Queue, greet

    queue = Queue()
    queue.put(greet("a"))
"""


def test_a_later_lessons_stub_that_breaks_an_earlier_task_is_named(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    (course.steps / "test_01_words.py").write_text(mini.STEPS_1 + NEEDS_A_LATER_ONE, "utf-8")
    problem = "task 1.1: the stub of 2.1 breaks tests/steps/test_01_words.py::test_needs_the_queue: "
    assert [found for found in verify(course, [1]) if found.startswith(problem)]


def test_a_later_stub_of_the_same_lesson_is_named(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    needs = NEEDS_A_LATER_ONE.replace("Queue, greet", "count, greet").partition("    queue = ")[0]
    test = f"{needs}    assert count(greet('a')) == 2\n"
    mini.write(course.steps / "test_01_words.py", mini.STEPS_1 + test)
    problem = "task 1.1: the stub of 1.2 breaks tests/steps/test_01_words.py::test_needs_the_queue: "
    assert [found for found in verify(course, [1]) if found.startswith(problem)]


def test_more_wrong_answers_can_be_asked_for(tmp_path: Path) -> None:
    inspected = inspect(mini.mini_course(tmp_path), [1], wrong_answers=2)
    assert inspected.problems == ("task 1.2: 1 wrong answers, 2 at least",)


def test_right_answers_can_be_asked_for(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    mini.write(course.right_answers / "1.1_or.py", mini.GOOD_GREET)
    inspected = inspect(course, [1], right_answers=1)
    assert inspected.problems == ("task 1.2: 0 right answers, 1 at least",)


def test_a_right_answer_that_passes_is_no_problem(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    mini.write(course.right_answers / "2.1_deque.py", mini.GOOD_QUEUE)
    assert verify(course, [2], right_answers=1) == []
