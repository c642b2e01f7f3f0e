"""The rooms of the course tool: no circle of imports, and no import of a room above or beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from imports import cycles, imports

ODEV = Path(__file__).parents[2] / "src" / "odev"
BELOW = {
    "author": {"grading", "course"},
    "instructor": {"exam", "grading", "course"},
    "exam": {"student", "demo", "grading", "course", "classroom"},
    "student": {"grading", "course", "classroom"},
    "demo": {"course", "classroom"},
    "grading": {"course"},
    "course": set(),
    "classroom": set(),
}
ENTRANCES = {"odev", "odev.__main__", "odev.pytest_plugin"}  # nobody imports these


def room(module: str) -> str:
    return module.split(".")[1]


def test_no_module_imports_itself_through_others() -> None:
    assert cycles(imports(ODEV, "odev")) == []


def test_no_import_goes_to_a_room_above_or_beside() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, all_imported in imports(ODEV, "odev").items()
        for imported in sorted(all_imported)
        if imported in ENTRANCES
        or (module not in ENTRANCES and room(imported) not in {room(module), *BELOW[room(module)]})
    ]
    assert wrong == []


def test_each_import_is_seen(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "__init__.py").write_text("from p.deep import NAME\nimport json\n", "utf-8")
    (tmp_path / "deep" / "__init__.py").write_text("from .one import f\nfrom .. import top\n", "utf-8")
    (tmp_path / "deep" / "one.py").write_text("def f():\n    from p.deep import two\n", "utf-8")
    (tmp_path / "deep" / "two.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.deep.one\n", "utf-8"
    )
    (tmp_path / "top.py").write_text("import p2\n", "utf-8")
    assert imports(tmp_path, "p") == {
        "p": {"p.deep"},
        "p.deep": {"p.deep.one", "p.top"},
        "p.deep.one": {"p.deep.two"},
        "p.deep.two": {"p.deep.one"},
        "p.top": set(),
    }


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, [["b", "c", "b"]]),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c"}}, [["a", "b", "a"], ["c", "d", "c"]]),
    ],
)
def test_a_cycle_is_named(graph: dict[str, set[str]], expected: list[list[str]]) -> None:
    assert cycles(graph) == expected
