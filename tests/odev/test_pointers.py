"""Docstrings that name another file or folder ('Not here: x.py') name one that exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
FILE = re.compile(r"[\w/]*\w\.py\b")
FOLDER = re.compile(r"(?<![\w/.<])[a-z_]+(?:/[a-z_]+)*/(?=[\s,.;:)])")
ADDRESS = re.compile(r"https?://\S+")


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ADDRESS.sub("", ast.get_docstring(node) or "")


def dead_pointers(path: Path, *roots: Path) -> list[str]:
    """The files and folders that docstrings of `path` name and that are neither beside it nor in `roots`."""
    names = [
        name for text in docstrings(path) for pattern in (FILE, FOLDER) for name in pattern.findall(text)
    ]
    return [name for name in names if not any((root / name).exists() for root in (path.parent, *roots))]


@pytest.mark.parametrize("package", ["safechat", "odev"])
def test_every_file_that_a_docstring_names_exists(package: str) -> None:
    """Beside it, in its package; for the course tool also in the package that the course builds, or in the
    course's own folders."""
    course = (SRC / "safechat", ROOT, ROOT / "lessons") if package == "odev" else ()
    dead = {
        str(path.relative_to(SRC)): names
        for path in sorted((SRC / package).rglob("*.py"))
        if (names := dead_pointers(path, SRC / package, *course))
    }
    assert dead == {}


def test_a_pointer_to_what_is_not_there_is_seen(tmp_path: Path) -> None:
    (tmp_path / "there.py").touch()
    (tmp_path / "room").mkdir()
    module = tmp_path / "module.py"
    module.write_text(
        '"""Not here: a (there.py), b (gone.py), c (room/), d (room/gone.py, lost/).\n\n'
        'Source: https://example.org/e/f.py"""\n',
        encoding="utf-8",
    )
    assert dead_pointers(module, tmp_path) == ["gone.py", "room/gone.py", "lost/"]
