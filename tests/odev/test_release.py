"""A release holds no solution; in it a student's checks fill the package, which then installs by pip."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import mini_course as mini
from odev.course.course import Course, CourseError
from odev.instructor.release import FOLDER, release
from odev.student.check import Session, check
from odev.student.package import package


@pytest.fixture
def course(tmp_path: Path) -> Course:
    course = mini.mini_course(tmp_path / "course")
    mini.write(course.solutions / "01_words.ipynb", mini.notebook(mini.GOOD_GREET))
    mini.write(course.root / "tests" / "conftest.py", "")
    mini.write(course.root / "tests" / "odev" / "test_x.py", "")
    mini.write(course.root / "tests" / "safechat" / "test_words.py", "")
    mini.write(course.root / "tests" / "safechat" / "fakes.py", "")
    mini.write(course.lessons / "chat_api.log", "x")
    mini.write(course.right_answers / "1.1_or.py", mini.GOOD_GREET)
    mini.write(course.equal_mutants, "")
    return course


def unpacked(course: Course, folder: Path, lesson: int = 0) -> Course:
    release(course, folder / "release.zip", lesson)
    with zipfile.ZipFile(folder / "release.zip") as archive:
        archive.extractall(folder)
    return Course(folder / FOLDER)


def words(course: Course) -> str:
    return (course.src / "safechat" / "words.py").read_text("utf-8")


def test_a_release_holds_no_solution_and_no_wrong_answer(course: Course, tmp_path: Path) -> None:
    students = unpacked(course, tmp_path)
    files = {
        path.relative_to(students.root).as_posix() for path in students.root.rglob("*") if path.is_file()
    }
    assert files == {
        ".odev-student",
        "README.md",
        "lessons/01_words.ipynb",
        "lessons/02_queue.ipynb",
        "src/safechat/__init__.py",
        "src/safechat/words.py",
        "tests/conftest.py",
        "tests/safechat/fakes.py",
        "tests/steps/test_01_words.py",
        "tests/steps/test_02_queue.py",
    }
    for solved in ("Merhaba herkes", "findall", "pop(0)"):
        assert solved not in words(students)


def test_the_tasks_of_earlier_lessons_are_given(course: Course, tmp_path: Path) -> None:
    assert release(course, tmp_path / "release.zip", 2) == ["2.1"]
    students = unpacked(course, tmp_path, 2)
    assert "Merhaba herkes" in words(students)
    assert 'NotImplementedError("ÖDEV 2.1")' in words(students)


@pytest.mark.parametrize(("lesson", "solved"), [(0, True), (1, True), (2, False)])
def test_a_task_that_earlier_lessons_use_is_given_until_its_own_lesson(
    course: Course, tmp_path: Path, lesson: int, solved: bool
) -> None:
    stub = mini.QUEUE_STUB.replace("words.Queue\n", "words.Queue given\n")
    mini.write(course.lessons / "02_queue.ipynb", mini.notebook("# Kuyruk", stub))
    assert "2.1" in release(Course(course.root), tmp_path / "release.zip", lesson)
    students = unpacked(Course(course.root), tmp_path, lesson)
    assert ("pop(0)" in words(students)) is solved


def test_the_same_course_makes_the_same_zip(course: Course, tmp_path: Path) -> None:
    release(course, tmp_path / "a.zip")
    release(course, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_package_that_needs_a_task_at_import_is_not_released(course: Course, tmp_path: Path) -> None:
    path = course.src / "safechat" / "words.py"
    path.write_text(words(course) + "\nALL = greet('')\n", "utf-8")
    with pytest.raises(CourseError, match="cannot be imported"):
        release(course, tmp_path / "release.zip")


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("lessons/01_words.ipynb", mini.notebook(mini.GREET_STUB), r"task 1\.2: .* no lesson has its stub"),
        (
            "lessons/01_words.ipynb",
            mini.notebook(mini.GREET_STUB.replace("ÖDEV 1.1", "ÖDEV 1.2"), mini.COUNT_STUB),
            r"task 1\.1: .* is no stub",
        ),
        ("solutions/ask_question.py", "import yok_boyle\n", "ask_question.py is broken"),
    ],
)
def test_a_course_that_would_give_a_solution_away_is_not_released(
    course: Course, tmp_path: Path, path: str, text: str, reason: str
) -> None:
    mini.write(course.root / path, text)
    with pytest.raises(CourseError, match=reason):
        release(Course(course.root), tmp_path / "release.zip")
    assert not (tmp_path / "release.zip").exists()


def test_a_students_copy_is_not_released_again(course: Course, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="student's copy"):
        release(unpacked(course, tmp_path), tmp_path / "again.zip")


def test_step_by_step_the_students_package_becomes_whole(course: Course, tmp_path: Path) -> None:
    students = unpacked(course, tmp_path)
    for lesson, cells in ((1, (mini.GOOD_GREET, mini.GOOD_COUNT)), (2, (mini.GOOD_QUEUE,))):
        assert check(lesson, course=Course(students.root), session=Session(cells)).passed
    assert "NotImplementedError" not in words(students)
    script = "from safechat import Queue, greet; q = Queue(); q.put(greet('')); print(q.get())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=students.src, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "Merhaba herkes"


def test_the_package_holds_the_students_cells_and_names_what_is_missing(
    course: Course, tmp_path: Path
) -> None:
    students = unpacked(course, tmp_path)
    assert check("1.1", course=students, session=Session((mini.GOOD_GREET,))).passed
    unchecked = mini.notebook(mini.WRONG["1.1_no_name"], mini.GOOD_COUNT)
    mini.write(students.lessons / "01_words.ipynb", unchecked)
    assert package(students, tmp_path / "mine") == (["1.1"], ["1.2", "2.1"])
    words = (tmp_path / "mine" / "src" / "safechat" / "words.py").read_text("utf-8")
    assert "name or 'herkes'" in words
    assert "1.1" in (tmp_path / "mine" / "README.md").read_text("utf-8")
    assert package(students, tmp_path / "mine") == (["1.1"], ["1.2", "2.1"])  # over that of before


def test_a_package_is_never_made_over_a_course(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path / "outer" / "course")
    other = mini.mini_course(tmp_path / "other")
    mini.write(tmp_path / "outer" / "src" / "safechat" / "__init__.py", "")
    for target in (course.root, course.root.parent, other.root):
        with pytest.raises(CourseError, match="boş değil"):
            package(course, target)
    assert len(course.notebooks()) == len(other.notebooks()) == 2


def test_what_a_student_adds_to_the_package_stays(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path / "course")
    package(course, tmp_path / "mine")
    mini.write(tmp_path / "mine" / "tests" / "test_mine.py", "mine")
    mini.write(tmp_path / "mine" / "src" / "safechat" / "old.py", "")
    package(course, tmp_path / "mine")
    assert (tmp_path / "mine" / "tests" / "test_mine.py").read_text("utf-8") == "mine"
    assert not (tmp_path / "mine" / "src" / "safechat" / "old.py").exists()


def test_a_package_never_takes_the_place_of_something_else(course: Course, tmp_path: Path) -> None:
    mini.write(tmp_path / "mine" / "roman.txt", "x")
    with pytest.raises(CourseError, match="başka bir klasör"):
        package(course, tmp_path / "mine")
    assert (tmp_path / "mine" / "roman.txt").is_file()


def test_a_package_that_fails_leaves_nothing_half_done(course: Course, tmp_path: Path) -> None:
    mini.write(course.lessons / "01_words.ipynb", mini.notebook("#| odev 1.1 words.greet\ndef greet(:\n"))
    with pytest.raises(CourseError, match=r"1\.1"):
        package(course, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_the_package_is_a_project_that_pip_would_build(course: Course, tmp_path: Path) -> None:
    settings = """[project]
name = "safechat"
version = "1.2.3"
requires-python = ">=3.11"
dependencies = ["openai>=3,<4"]
[project.optional-dependencies]
cli = ["typer>=0.15; python_version < '4'"]
course = ["jupyter"]
[project.scripts]
safechat = "safechat.cli.main:main"
"""
    mini.write(course.root / "pyproject.toml", settings)
    package(course, tmp_path / "mine")
    project = tomllib.loads((tmp_path / "mine" / "pyproject.toml").read_text("utf-8"))
    assert project["project"] == {
        "name": "safechat",
        "version": "1.2.3",
        "requires-python": ">=3.11",
        "dependencies": ["openai>=3,<4"],
        "readme": "README.md",
        "optional-dependencies": {"cli": ["typer>=0.15; python_version < '4'"]},
        "scripts": {"safechat": "safechat.cli.main:main"},
    }
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/safechat"]


def test_a_cell_that_breaks_the_package_is_said(course: Course, tmp_path: Path) -> None:
    used = "import yok_boyle_bir_modul\n@yok_boyle_bir_modul.sar\n"
    broken = mini.GOOD_GREET.replace("def greet", f"{used}def greet")
    mini.write(course.lessons / "01_words.ipynb", mini.notebook(broken))
    with pytest.raises(CourseError, match="yok_boyle_bir_modul"):
        package(course, tmp_path / "mine")


HELPED = "def _all(name):\n    return name or 'herkes'\n\n"
GREET_WITH_HELPER = mini.GOOD_GREET.replace("def greet", f"{HELPED}def greet").replace(
    "name or 'herkes'}", "_all(name)}"
)
COUNT_WITH_IT = mini.GOOD_COUNT.replace("text.split()", "_all(text).split() if text else []")


def test_a_cell_that_leans_on_another_cells_helper_is_told_so(course: Course, tmp_path: Path) -> None:
    """In the notebook it works, in the grading it would not."""
    students = unpacked(course, tmp_path)
    assert check("1.1", course=students, session=Session((GREET_WITH_HELPER,))).passed
    report = check("1.2", course=students, session=Session((GREET_WITH_HELPER, COUNT_WITH_IT)))
    assert report.score == 0
    assert "`_all` 1.1 numaralı görevin hücresinde" in report.results[0].message


def test_a_helper_that_two_cells_have_stays_until_both_let_it_go(course: Course, tmp_path: Path) -> None:
    students = unpacked(course, tmp_path)
    count = COUNT_WITH_IT.replace("def count", f"{HELPED}def count")
    for cell in (GREET_WITH_HELPER, count, mini.GOOD_GREET):
        id = "1.2" if "words.count" in cell else "1.1"
        assert check(id, course=students, session=Session((cell,))).passed
    assert words(students).count("def _all") == 1
    assert check("1.2", course=students, session=Session((mini.GOOD_COUNT,))).passed
    assert "_all" not in words(students)


def test_of_two_helpers_by_one_name_each_task_has_its_own(course: Course, tmp_path: Path) -> None:
    students = unpacked(course, tmp_path)
    assert check("1.1", course=students, session=Session((GREET_WITH_HELPER,))).passed
    other = COUNT_WITH_IT.replace("def count", "def _all(text):\n    return text\n\ndef count")
    assert check("1.2", course=students, session=Session((other,))).passed
    assert check(1, course=students, session=Session((GREET_WITH_HELPER, other))).passed
    assert (words(students).count("def _all("), words(students).count("def _all_of_count(")) == (1, 1)


def test_the_readme_for_students_can_be_followed_in_every_shell(course: Course, tmp_path: Path) -> None:
    """PowerShell 5.1 has no `&&`, and its environment is activated in another way."""
    readme = (unpacked(course, tmp_path).root / "README.md").read_text("utf-8")
    assert "&&" not in readme
    assert ". .venv/bin/activate\n" in readme
    assert ".venv\\Scripts\\activate\n" in readme
