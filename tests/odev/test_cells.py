"""Task cells are found by their tag, whatever else a notebook holds."""

from __future__ import annotations

import json

import pytest

from odev.course.answer import SpliceError, parse_cell
from odev.course.cells import TaskId, read_notebook, task_cell
from odev.course.splice import definition


def notebook(*cells: object) -> bytes:
    return json.dumps({"cells": list(cells)}).encode()


def code(source: object) -> dict[str, object]:
    return {"cell_type": "code", "source": source}


def test_a_tag_names_the_task_its_module_and_its_definition() -> None:
    cell = task_cell("\n#| odev 1.2 call.reply.read_reply  \ndef read_reply(): ...")
    assert cell is not None
    assert (cell.id, cell.module, cell.name) == (TaskId(1, 2), "call.reply", "read_reply")
    assert str(cell.id) == "1.2"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = 1\n#| odev 1.2 a.b",
        "#| odev volatile",
        "# odev 1.2 a.b",
        "#| odev 1 a.b",
        "#| odev 1.2 b",
        "#| odev 99999999999999999999.1 a.b",
    ],
)
def test_what_does_not_begin_with_a_tag_is_no_task(source: str) -> None:
    assert task_cell(source) is None


@pytest.mark.parametrize(
    "first",
    [
        "# | odev 1.2 a.f",
        "#| odev 1.2 a.f  # bitti",
        "# benim çözümüm\n#| odev 1.2 a.f",
        "%%time\n#| odev 1.2 a.f",
    ],
    ids=["as black writes it", "a word behind it", "a comment above it", "a cell magic above it"],
)
def test_a_tag_is_known_as_people_and_their_tools_leave_it(first: str) -> None:
    cell = task_cell(f"{first}\ndef f(): ...")
    assert cell is not None
    assert (str(cell.id), cell.name) == ("1.2", "f")
    assert definition(cell.source, "f") is not None


def test_lines_that_only_a_notebook_knows_are_no_syntax_error() -> None:
    cell = task_cell(
        "#| odev 1.2 a.f\n!pip install x\ndef f():\n    %timeit 1\n    return '%d' % 3\n%odev check 1.2"
    )
    assert cell is not None
    assert definition(cell.source, "f") is not None
    assert "'%d' % 3" in cell.source
    assert cell.source.count("\n") == 5


@pytest.mark.parametrize(
    ("line", "python"),
    [
        ("f?", "None"),
        ("??f", "None"),
        ("!ls \\\n  -l", "None"),
        ("x = !ls", "x = None"),
        ("x = %timeit -o f()", "x = None"),
        ("%%time", "None"),
        ("if x:\n    !echo ş {x}", "if x:\n    None"),
        (">>> x = 1", "x = 1"),
    ],
)
def test_what_ipython_does_is_none(line: str, python: str) -> None:
    cell = task_cell(f"#| odev 1.2 a.f\nş = 1\n{line}\ndef f(): ...")
    assert cell is not None
    assert cell.source == f"#| odev 1.2 a.f\nş = 1\n{python}\ndef f(): ..."


def test_a_long_expression_beside_a_magic_is_read() -> None:
    line = f"x = y{'.a' * 500}()"
    cell = task_cell(f"#| odev 1.2 a.f\n%time\n{line}\ndef f(): ...")
    assert cell is not None
    assert cell.source == f"#| odev 1.2 a.f\nNone\n{line}\ndef f(): ..."


def test_hundreds_of_magics_are_not_worth_the_time_that_ipython_takes_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("IPython.core.inputtransformer2.TransformerManager", None)
    cell = task_cell("#| odev 1.2 a.f\n" + "!ls\n" * 400)
    assert cell is not None
    assert cell.source.endswith("!ls\n")


IN_CODE = '''def f(a, b):
    """
%timeit is slow
!important
what?
    """
    return (a
        % b)'''


@pytest.mark.parametrize("first", ["", "!ls\n", "%%time\n", "%%capture out\n\n"])
def test_a_text_and_a_line_of_code_that_look_like_magic_are_never_touched(first: str) -> None:
    cell = task_cell(
        f"{first}#| odev 1.2 a.f\n{IN_CODE}" if "%%" in first else f"#| odev 1.2 a.f\n{first}{IN_CODE}"
    )
    assert cell is not None
    assert IN_CODE in cell.source


def test_a_mistake_beside_a_magic_is_found_at_its_line() -> None:
    cell = task_cell("#| odev 1.2 a.f\n!pip install x\ndef f(:\n    pass")
    assert cell is not None
    with pytest.raises(SpliceError, match=r"3\. satır"):
        parse_cell(cell.source)


def test_the_tenth_task_comes_after_the_ninth() -> None:
    assert TaskId.parse("1.10") > TaskId.parse("1.9")


def test_tagged_code_cells_are_read_in_their_order() -> None:
    content = notebook(
        {"cell_type": "markdown", "source": "#| odev 1.1 a.f"},
        code(["#| odev 1.1 a.f\r\n", "def f(): ..."]),
        code("print()"),
        code("#| odev 1.1 a.f\ndef f(): return 2"),
    )
    cells = read_notebook("01.ipynb", content).cells
    assert [cell.source for cell in cells] == [
        "#| odev 1.1 a.f\ndef f(): ...",
        "#| odev 1.1 a.f\ndef f(): return 2",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"cells": 3}',
        b'{"cells": {"a": 1}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_file_that_is_no_notebook_has_a_problem_and_no_cells(content: bytes) -> None:
    read = read_notebook("01.ipynb", content)
    assert read.cells == ()
    assert "01.ipynb okunamadı" in read.problem


@pytest.mark.parametrize(
    "malformed", [3, None, code(3), code(["a", 3]), {"cell_type": "code"}, code({"a": 1})], ids=repr
)
def test_a_malformed_cell_costs_itself_alone(malformed: object) -> None:
    read = read_notebook("01.ipynb", notebook(malformed, code("#| odev 1.1 a.f\ndef f(): ...")))
    assert [str(cell.id) for cell in read.cells] == ["1.1"]
    assert read.problem == "01.ipynb içinde 1. hücre bozuk, o okunmadı"


def test_a_notebook_beyond_all_measure_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odev.course.cells.LARGEST_NOTEBOOK", 10)
    assert "çok büyük" in read_notebook("01.ipynb", notebook()).problem


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_a_notebook_that_another_systems_editor_saved_has_the_same_cells(end: str) -> None:
    """With a byte order mark, and other ends of lines, in the file and in the cells."""
    source = "#| odev 1.1 a.f\ndef f():\n    return 'ışık'\n"
    here = read_notebook("a.ipynb", notebook(code(source)))
    saved = notebook(code(source.replace("\n", end))).decode().replace(": ", ":\r\n")
    assert read_notebook("a.ipynb", saved.encode("utf-8-sig")) == here
    assert [cell.source for cell in here.cells] == [source]
