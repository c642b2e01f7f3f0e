"""A definition takes another's place; every other line of the module stays as it was."""

from __future__ import annotations

import ast
import re
import time
from typing import Any

import pytest

from odev.course.answer import SpliceError
from odev.course.splice import definition_source, helpers, remove, splice

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


def namespace(source: str) -> dict[str, Any]:
    """The names of a module with this source."""
    names: dict[str, Any] = {}
    exec(source.replace("@staticmethod\n", ""), names)
    return names


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
    new = "import re, time\nfrom typing import Any\nimport re\ndef greet() -> Any: return re, time"
    lines = splice(MODULE, "greet", new).splitlines()
    assert lines[5:8] == ["from collections.abc import Callable", "import re", "from typing import Any"]
    assert lines.count("import time") == lines.count("import re") == 1


def test_the_course_tool_the_module_itself_and_the_future_are_never_imported() -> None:
    new = (
        "from __future__ import division\nfrom odev import check\nfrom safechat.m import x\n"
        "def greet(): return check, x"
    )
    imports = [
        line for line in splice(MODULE, "greet", new, module="safechat.m").splitlines() if "import" in line
    ]
    assert imports == [line for line in MODULE.splitlines() if "import" in line]


def test_a_name_from_another_place_stays_the_modules_own() -> None:
    for new in ("from typing import Callable", "from collections.abc import Callable"):
        assert splice(MODULE, "greet", f"{new}\ndef greet() -> Callable: ...").count("import Callable") == 1


def test_an_import_of_something_else_by_a_name_of_the_module_gets_another_name() -> None:
    spliced = splice(MODULE, "greet", "from time import time\ndef greet():\n    return time()")
    assert namespace(spliced)["greet"]() == pytest.approx(time.time(), abs=60)
    assert "import time\n" in spliced
    assert "from time import time as time_of_greet" in spliced


def test_the_module_itself_may_be_imported_by_a_name_of_its_own() -> None:
    new = "from safechat.m import _kept as kept\nimport safechat.m as m\ndef greet():\n    return kept(), m"
    spliced = splice(MODULE, "greet", new, module="safechat.m")
    assert "return _kept(), m" in spliced
    assert [line for line in spliced.splitlines() if "safechat" in line] == ["import safechat.m as m"]


def test_a_module_of_a_package_that_is_there_is_imported_too() -> None:
    module = "import os\n\ndef greet(): ...\n"
    new = "import os.path\nimport xml.dom\ndef greet():\n    return os.path, xml.dom"
    assert splice(module, "greet", new).startswith("import os\nimport os.path\nimport xml.dom\n")


def test_imports_go_below_the_docstring_of_a_module_without_any() -> None:
    spliced = splice('"""Doc."""\n\ndef f(): ...\n', "f", "import re\ndef f(): return re")
    assert spliced.startswith('"""Doc."""\nimport re\n')


def test_a_helper_comes_along_with_what_it_uses() -> None:
    new = "import re\nN = 1\ndef _help():\n    return N, re\n\ndef greet():\n    return _help()"
    spliced = splice(MODULE, "greet", new)
    assert namespace(spliced)["greet"]() == (1, re)
    assert helpers(MODULE, "greet", new) == ({"_help", "N", "import re"}, set())


def test_a_helper_that_the_module_has_with_the_same_code_stays() -> None:
    new = "def _kept()->int:\n    return (1)\n\ndef greet():\n    return _kept()"
    assert splice(MODULE, "greet", new).count("_kept") == 2
    assert helpers(MODULE, "greet", new) == (set(), {"_kept"})


@pytest.mark.parametrize(
    "helper",
    [
        "def _kept():\n    return 2  # iki",
        "_kept = lambda: 2  # iki",
        'def _kept():\n    """_kept, not greet."""\n    return 2',
    ],
    ids=["a function", "a lambda", "one whose text has the name"],
)
def test_a_helper_by_a_name_of_the_module_gets_another_name(helper: str) -> None:
    new = f"{helper}\n\ndef greet():\n    return f'{{_kept()}}', _kept()"
    after = namespace(splice(MODULE, "greet", new))
    assert (after["greet"](), after["_kept"]()) == (("2", 2), 1)
    assert helpers(MODULE, "greet", new) == ({"_kept_of_greet"}, set())


def test_a_helper_by_the_name_of_a_builtin_leaves_the_modules_own_code_alone() -> None:
    module = MODULE.replace("return 1", "return len('abc')")
    after = namespace(splice(module, "greet", "def len(x):\n    return 9\ndef greet():\n    return len('a')"))
    assert (after["greet"](), after["_kept"]()) == (9, 3)


@pytest.mark.parametrize(
    "greet",
    [
        "def greet():\n    return [_kept(), (lambda _kept: 3)(0)]",
        "def greet():\n    global _kept\n    return _kept()",
        "class greet:\n    def _kept(self):\n        return _kept()",
    ],
    ids=["a parameter", "declared global", "a method"],
)
def test_a_name_that_cannot_be_changed_safely_is_refused(greet: str) -> None:
    new = f"def _kept():\n    return 2\n{greet}"
    with pytest.raises(SpliceError, match="`_kept` adı"):
        splice(MODULE, "greet", new)


@pytest.mark.parametrize(
    ("cell", "result"),
    [
        ("N = 3\ndef greet(): return N", 3),
        ("def greet(): return N\nN: int = 3", 3),
        ("A, (B, *C) = 1, (2, 3)\ndef greet(): return A, B, C", (1, 2, [3])),
        ("T = {}\nT['a'] = 1\nT |= {'b': 2}\ndef greet(): return T", {"a": 1, "b": 2}),
        ("N = 1\nN = 3\ndef greet(): return N", 3),
        ("n = 0\ndef greet():\n    global n\n    n += 1\n    return n", 1),
        ("F = [_kept()]\ndef greet(): return F", [1]),
        ("F = [_kept()]\nG = F[0]\ndef greet(): return G", 1),
        ("M = 2; N = 3; print(M)\ndef greet(): return N", 3),
        ("greet = lambda: 3", 3),
        ("_kept_too = lambda: _kept()\ngreet = _kept_too", 1),
        ("from functools import partial\ngreet = partial(int, '3')", 3),
        ("def twice(f): return lambda: 2 * f()\ndef greet(): return 4\ngreet = twice(greet)", 8),
        ("def twice(f): return lambda: 2 * f()\n@twice\ndef greet(): return 4", 8),
        ("def greet(): return 1\ngreet = lambda: 2\ndef greet(): return 3", 3),
        ("T = {}\nfor k in 'ab':\n    T[k] = 1\ndef greet(): return T", {"a": 1, "b": 1}),
        ("T = []\nT.append(3)\ndef greet(): return T", [3]),
        ("if True:\n    N = 3\nelse:\n    N = 4\ndef greet(): return N", 3),
        ("try:\n    import yok as m\nexcept ImportError:\n    import math as m\n"
         "def greet(): return m.floor(3.5)", 3),
        ("try:\n    import yok as time\nexcept ImportError:\n    time = 3\ndef greet(): return time", 3),
        ("(N := 3)\ndef greet(): return N", 3),
        ("from math import *\ndef greet(): return floor(3.5)", 3),
        ("from functools import *\n@singledispatch\ndef f(x): return 0\n"
         "@f.register\ndef _(x: int): return 3\ndef greet(): return f(1)", 3),
    ],
)  # fmt: skip
def test_what_the_answer_uses_comes_along(cell: str, result: object) -> None:
    spliced = splice(MODULE, "greet", cell)
    assert namespace(spliced)["greet"]() == result
    assert "print" not in spliced


def test_a_new_answer_replaces_an_assignment_with_its_constants() -> None:
    once = splice(MODULE, "greet", "M = 1\nN = [_kept()]\nN[0] = 2\ngreet = lambda: (M, N)")
    names, _ = helpers(MODULE, "greet", "M = 1\nN = [_kept()]\nN[0] = 2\ngreet = lambda: (M, N)")
    new = definition_source(MODULE, "greet")
    again = splice(once, "greet", new, replacing=sorted(names))
    assert again.split() == MODULE.split()


def test_a_new_answer_replaces_what_a_loop_had_filled() -> None:
    cell = "T = {}\nfor k in 'ab':\n    T[k] = 1\ndef greet(): return T"
    once = splice(MODULE, "greet", cell)
    names, _ = helpers(MODULE, "greet", cell)
    again = splice(once, "greet", definition_source(MODULE, "greet"), replacing=sorted(names))
    assert again.split() == MODULE.split()


def test_import_star_comes_along_only_where_a_name_is_missing() -> None:
    cell = "from math import *\ndef greet(): return _kept(), len('a')"
    assert splice(MODULE, "greet", cell) == splice(MODULE, "greet", cell.replace("from math import *\n", ""))


def test_a_second_import_star_stands_beside_the_first() -> None:
    once = splice(MODULE, "greet", "from math import *\ndef greet(): return floor(3.5)")
    twice = splice(once, "greet", "from functools import *\ndef greet(): return partial(floor, 3.5)()")
    assert namespace(twice)["greet"]() == 3


def test_trials_in_the_cell_are_left_behind() -> None:
    new = (
        "import pytest, json\nfrom unittest import mock\nresult = 1 / 0\n"
        "def greet():\n    result = json.dumps(1)\n    return result\n"
        "def test_greet():\n    with pytest.raises(ValueError): greet()\n"
        "for name in ('a', 'b'):\n    result = greet()\n"
    )
    spliced = splice(MODULE, "greet", new)
    assert "import json" in spliced
    assert [word for word in ("pytest", "mock", "1 / 0", "test_greet", "for") if word in spliced] == []


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
        ("def greet(a, a): ...", "duplicate argument"),
        ("def greet():\nreturn 1", "2. satır"),
        ("x = '\0'", "okuyamıyor"),
        ("def greet(name):\n    return await name", r"\(2. satır\): 'await' .* yalnız `async def` ile"),
        ("def greet():\n    break", r"\(2. satır\): 'break' outside loop"),
        ("def selam(): ...", "`greet` tanımı yok; olanlar: `selam`$"),
        ("", "`greet` tanımı yok$"),
        ("if True:\n    def greet(): ...", "`greet` tanımı başka bir bloğun içinde: satırın başından"),
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
