"""Solutions are the lessons with src's definitions, run; two builds differ in nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mini_course as mini
from odev.author import build as building
from odev.author.build import build, orphans, write
from odev.course.cells import task_cells
from odev.course.course import Course, CourseError

PROSE = "# Kelimeler"
NOISY = """import os, sys, time
print(object())
print("http://127.0.0.1:43211/v1", file=sys.stderr)
print(os.getcwd())
object()
"""
VOLATILE = "#| odev volatile\nimport time\nprint(time.perf_counter_ns())"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    course = mini.mini_course(tmp_path)
    (course.lessons / "02_queue.ipynb").unlink()
    use = 'print(greet("Ayşe"))'
    mini.write(course.lessons / "01_words.ipynb", mini.notebook(PROSE, mini.GREET_STUB, use, NOISY, VOLATILE))
    return course


def outputs(course: Course) -> list[str]:
    cells = json.loads((course.solutions / "01_words.ipynb").read_text("utf-8"))["cells"]
    return [json.dumps(cell.get("outputs"), ensure_ascii=False) for cell in cells]


def test_the_task_cells_hold_srcs_definitions_and_the_outputs_are_kept(course: Course) -> None:
    assert [path.name for path in write(build(course))] == ["01_words.ipynb"]
    cells = json.loads((course.solutions / "01_words.ipynb").read_text("utf-8"))["cells"]
    (task,) = task_cells(cell["source"] for cell in cells)
    assert task.source.startswith("#| odev 1.1 words.greet\ndef greet(name: str) -> str:\n")
    assert "Merhaba herkes" in task.source
    assert "Merhaba Ayşe" in outputs(course)[2]


def test_two_builds_differ_in_nothing(course: Course) -> None:
    (first,) = build(course)
    write([first])
    (second,) = build(course)
    assert (second.stale, second.text) == (False, first.text)
    assert write([second]) == []
    course.solutions.joinpath("01_words.ipynb").unlink()
    (afresh,) = build(course)
    without = [json.loads(solution.text) for solution in (first, afresh)]
    for notebook in without:
        notebook["cells"][-1]["outputs"] = []
    assert without[0] == without[1]


def test_no_address_port_or_folder_of_this_machine_is_kept(course: Course) -> None:
    write(build(course))
    noisy = outputs(course)[3]
    assert str(course.root) not in noisy
    assert "0x…" in noisy
    assert "127.0.0.1:…" in noisy
    assert "execution_count" not in json.loads(outputs(course)[3])[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda course: course.module(course.tasks[0]).write_text(
            mini.MODULE.replace("herkes", "millet"), "utf-8"
        ),
        lambda course: mini.write(
            course.lessons / "01_words.ipynb", mini.notebook("# Yeni", mini.GREET_STUB)
        ),
        lambda course: mini.write(course.solutions / "01_words.ipynb", "{"),
        lambda course: (course.solutions / "01_words.ipynb").unlink(),
    ],
    ids=["in src", "in the lesson", "a broken solution", "no solution"],
)
def test_what_changed_makes_the_solution_stale(course: Course, change: object) -> None:
    write(build(course))
    assert callable(change)
    change(course)
    assert [solution.stale for solution in build(Course(course.root))] == [True]


def test_a_solution_without_its_lesson_is_an_orphan(course: Course) -> None:
    mini.write(course.solutions / "07_eski.ipynb", mini.notebook("# Eski"))
    assert [path.name for path in orphans(course)] == ["07_eski.ipynb"]


def test_a_lesson_that_fails_is_named_and_so_is_one_too_large(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "LARGEST_SOLUTION", 1000)
    with pytest.raises(CourseError, match=r"01_words\.ipynb: the solution has . KB"):
        build(course)
    mini.write(course.lessons / "01_words.ipynb", mini.notebook("1 / 0"))
    with pytest.raises(CourseError, match=r"01_words\.ipynb: the solution does not run"):
        build(course)
