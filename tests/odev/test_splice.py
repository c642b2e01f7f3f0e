"""A definition takes another's place; every other line of the module stays as it was."""

from __future__ import annotations

import ast

import pytest

from odev.course.splice import SpliceError, definition_source, helpers, remove, splice

MODULE = '''"""Greets."""

from __future__ import annotations

import time
from collections.abc import Callable

LIMIT = 3


# what greet does
@staticmethod
def greet(name: str) -> str:
    """Says hello."""
    return f"Merhaba {name}"  # ğüşiöç


def _kept() -> int:
    return 1


class Polite:
    def greet(self) -> str:
        return "x"
'''


def test_the_definition_changes_and_every_other_line_stays() -> None:
    new = 'def greet(name: str) -> str:\n    return "Selam"'
    expected = MODULE.replace(
        '@staticmethod\ndef greet(name: str) -> str:\n    """Says hello."""\n'
        '    return f"Merhaba {name}"  # ğüşiöç',
        new,
    )
    assert splice(MODULE, "greet", "#| odev 1.1 m.greet\n" + new + "\n\nprint(greet('a'))\n") == expected


def test_a_definition_spliced_into_itself_changes_nothing() -> None:
    assert splice(MODULE, "greet", definition_source(MODULE, "greet")) == MODULE
    assert splice(MODULE, "Polite", definition_source(MODULE, "Polite")) == MODULE


def test_the_last_of_two_definitions_counts() -> None:
    spliced = splice(MODULE, "greet", "def greet():\n    return 1\n\ndef greet():\n    return 2")
    assert definition_source(spliced, "greet") == "def greet():\n    return 2"


def test_missing_imports_are_added_once_and_known_ones_are_not() -> None:
    new = "import re, time\nfrom typing import Any\nimport re\ndef greet(): ..."
    lines = splice(MODULE, "greet", new).splitlines()
    assert lines[5:8] == ["from collections.abc import Callable", "import re", "from typing import Any"]
    assert lines.count("import time") == lines.count("import re") == 1


def test_the_course_tool_the_module_itself_and_the_future_are_never_imported() -> None:
    new = (
        "from __future__ import division\nfrom odev import check\nfrom safechat.m import x\ndef greet(): ..."
    )
    assert "import check" not in splice(MODULE, "greet", new, module="safechat.m")
    assert "import x" not in splice(MODULE, "greet", new, module="safechat.m")
    assert "division" not in splice(MODULE, "greet", new, module="safechat.m")


def test_a_name_from_another_place_stays_the_modules_own() -> None:
    assert "typing" not in splice(MODULE, "greet", "from typing import Callable\ndef greet(): ...")


def test_a_name_that_is_a_module_here_and_a_function_there_is_refused() -> None:
    with pytest.raises(SpliceError, match="`time` adı"):
        splice(MODULE, "greet", "from time import time\ndef greet(): ...")


def test_imports_go_below_the_docstring_of_a_module_without_any() -> None:
    spliced = splice('"""Doc."""\n\ndef f(): ...\n', "f", "import re\ndef f(): ...")
    assert spliced.startswith('"""Doc."""\nimport re\n')


def test_a_new_helper_comes_along_and_a_known_one_stays() -> None:
    new = "def _help():\n    return 1\n\ndef _kept():\n    return 2\n\ndef greet():\n    return _help()"
    spliced = splice(MODULE, "greet", new)
    assert spliced.index("def _help") < spliced.index("def greet")
    assert definition_source(spliced, "_kept") == "def _kept() -> int:\n    return 1"
    assert helpers(MODULE, "greet", new) == ["_help"]


def test_a_helper_that_came_along_before_is_replaced() -> None:
    once = splice(MODULE, "greet", "def _help(): return 1\ndef greet(): return _help()")
    twice = splice(
        once, "greet", "def _help(): return 2\ndef greet(): return _help()", replacing=("_help", "_gone")
    )
    assert definition_source(twice, "_help") == "def _help(): return 2"
    assert twice.count("def _help") == 1


def test_calls_and_assignments_beside_the_definition_are_not_carried_over() -> None:
    spliced = splice(MODULE, "greet", "X = 1\ndef greet(): ...\ngreet()\nif True:\n    import re")
    assert "X = 1" not in spliced
    assert "greet()\n" not in spliced.replace("def greet()", "")
    assert "import re" not in spliced


def test_an_asynchronous_function_and_a_class_are_definitions() -> None:
    assert "async def greet" in splice(MODULE, "greet", "async def greet(): ...")
    assert "class greet:" in splice(MODULE, "greet", "class greet:\n    pass")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("def greet(:\n  pass", "1. satır"),
        ("def greet():\nreturn 1", "2. satır"),
        ("x = '\0'", "okuyamıyor"),
        ("def selam(): ...", "`greet` tanımı yok"),
        ("", "`greet` tanımı yok"),
        ("if True:\n    def greet(): ...", "`greet` tanımı yok"),
    ],
)
def test_a_cell_that_cannot_take_the_place_is_refused_in_turkish(cell: str, words: str) -> None:
    with pytest.raises(SpliceError, match=words):
        splice(MODULE, "greet", cell)


def test_a_name_that_the_module_does_not_have_is_an_error() -> None:
    with pytest.raises(LookupError):
        splice(MODULE, "goodbye", "def goodbye(): ...")
    with pytest.raises(LookupError):
        remove(MODULE, "goodbye")


def test_a_removed_definition_is_gone_and_the_rest_still_parses() -> None:
    removed = remove(MODULE, "greet")
    assert "Says hello" not in removed
    assert "@staticmethod" not in removed
    ast.parse(removed)
    assert "class Polite" in removed


def test_a_form_feed_and_windows_line_ends_do_not_move_the_lines() -> None:
    module = "def f():\n    return 1\n\x0c\ndef g():\n    return 2\n"
    assert (
        definition_source(splice(module, "g", "def g():\r\n    return 3\r\n"), "g")
        == "def g():\n    return 3"
    )
    assert "return 1" in splice(module, "g", "def g(): return 3")
