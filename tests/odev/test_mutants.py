"""A mutant of a solution that no test notices is named, unless it is marked as equal."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import mini_course as mini
from odev.author import mutants
from odev.author.mutants import problems_of_mutants
from odev.author.mutations import mutants_of
from odev.course.course import Course
from odev.course.splice import definition
from odev.grading.course_copies import copies


def changes(source: str) -> list[str]:
    parsed = definition(source, "f")
    assert parsed is not None
    return [mutant.change for mutant in mutants_of(parsed)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("return a < 1", ["return a < 1 → return", "a < 1 → a <= 1", "1 → 2"]),
        ("return a is b", ["return a is b → return", "a is b → a is not b"]),
        ("return a in b", ["return a in b → return", "a in b → a not in b"]),
        ("x = not a", ["x = not a → pass", "not a → a"]),
        ("x = a and b", ["x = a and b → pass", "a and b → b", "a and b → a", "a and b → a or b"]),
        ("raise E(a)", ["raise E(a) → pass", "raise E(a) → return E(a)", "E(a) → E()"]),
        ("g(a, k=1)", ["g(a, k=1) → pass", "g(a, k=1) → g(k=1)", "g(a, k=1) → g(a)", "1 → 2"]),
        ("x = 'word'", ["x = 'word' → pass", "'word' → 'wordx'"]),
        ("x = 'two words'", ["x = 'two words' → pass"]),
        ("x = f'{a}: b'", ["x = f'{a}: b' → pass"]),
        ("x: int = True", ["True → False"]),
        ("x = a, b", ["x = (a, b) → pass", "(a, b) → (b,)", "(a, b) → (a,)", "(a, b) → (b, a)"]),
        ("x = [a for a in b if a]", ["x = [a for a in b if a] → pass", " for a in b if a →  for a in b"]),
        ("if a:\n  return b", ["if a: … → pass", "a → not a", "return b → return"]),
        ("with a:\n  b", ["with a: … → if True: …", "b → pass"]),
        (
            "try:\n  a\nexcept Exception:\n  b",
            ["try: … → if True: …", "a → pass", "Exception → BaseException", "b → pass"],
        ),
        ("a += 1", ["a += 1 → pass", "a += 1 → a -= 1", "1 → 2"]),
        ("a\na", ["a → pass", "a → pass (2)"]),
    ],
)
def test_the_mutants_of_a_statement(statement: str, expected: list[str]) -> None:
    body = "".join(f"    {line}\n" for line in statement.splitlines())
    assert sorted(changes(f"def f(a, b):\n{body}")) == sorted(expected)


def test_docstrings_annotations_decorators_and_bases_stay() -> None:
    source = "@d(1)\nclass f(B(1)):\n    '''word'''\n    @p(1)\n    def g(self, a: L[1] = 2) -> L[1]: 'word'"
    assert changes(source) == ["2 → 3"]


def test_every_mutant_is_another_source_and_leaves_the_definition_as_it_was() -> None:
    parsed = definition(mini.MODULE, "Queue")
    assert parsed is not None
    before = ast.dump(parsed)
    sources = [mutant.source for mutant in mutants_of(parsed)]
    assert len({*sources, ast.unparse(parsed)}) == len(sources) + 1
    assert ast.dump(parsed) == before


def problems(course: Course, id: str) -> list[str]:
    with copies(course) as course_copies:
        (task,) = [task for task in course.tasks if str(task.id) == id]
        return problems_of_mutants(course, course_copies, task)


def test_mutants_that_a_test_notices_are_no_problem(tmp_path: Path) -> None:
    assert problems(mini.mini_course(tmp_path), "1.1") == []


def test_a_mutant_that_no_test_notices_is_named_unless_it_is_marked(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    module = course.module(course.tasks[0])
    module.write_text(mini.MODULE.replace("if name else", "if len(name) > 0 else"), "utf-8")
    survivor = "len(name) > 0 → len(name) >= 0"
    weak = mini.STEPS_1.replace('assert greet("") ==', 'assert greet("") and')
    mini.write(course.steps / "test_01_words.py", weak)
    assert f"task 1.1: no test notices the mutant  {survivor}" in problems(course, "1.1")
    mini.write(course.equal_mutants, f'["1.1"]\n"{survivor}" = "neden"\n"0 → 7" = "yok"\n')
    named = problems(course, "1.1")
    assert not [problem for problem in named if survivor in problem]
    assert "equal_mutants.toml: task 1.1: no such mutant survives: 0 → 7" in named


def test_a_mutant_that_never_ends_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "LIMITS", replace(mutants.LIMITS, seconds=1))
    course = mini.mini_course(tmp_path)
    waits = "while not self._items:\n            pass\n        return self._items.pop(0)"
    module = course.module(course.tasks[2])
    module.write_text(mini.MODULE.replace("return self._items.pop(0)", waits), "utf-8")
    named = problems(course, "2.1")
    assert not [problem for problem in named if "not self._items → self._items" in problem]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[", "equal_mutants.toml: "),
        ('["7.1"]\n', "equal_mutants.toml: there is no task 7.1"),
        ('["1.1"]\n"a → b" = ""\n', "equal_mutants.toml: 1.1 needs lines like"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, text: str, expected: str) -> None:
    course = mini.mini_course(tmp_path)
    mini.write(course.equal_mutants, text)
    (problem,) = problems(course, "1.1")
    assert problem.startswith(expected)


def test_a_reference_that_fails_is_named(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    course.module(course.tasks[0]).write_text(mini.MODULE.replace("herkes", "kimse"), "utf-8")
    assert problems(course, "1.1") == ["task 1.1: the reference does not pass"]
