"""The usual mistakes are named, whichever test comes first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import mini_course as mini
from odev.course.cells import TaskId, task_cell
from odev.course.course import Course
from odev.course.splice import definition
from odev.grading.course_copies import copies
from odev.grading.grader import Grader
from odev.grading.mistakes import explained
from odev.grading.result import State, TaskResult
from odev.grading.steps import collect
from odev.grading.wording import LONGEST, in_turkish, shortened

MODULE = '''"""Errors."""


class NotOurs(Exception):
    """The package's own error."""


class Other(Exception):
    """Another one."""


class Shop:
    def sell(self, code):
        return code


async def plain(code):
    return code


def words(code, status=1):
    """Two words; NotOurs for a number."""
    if isinstance(code, int):
        raise NotOurs(str(code))
    return (code or "yok").lower(), status


async def later(code):
    return await plain(code)
'''
STUBS = (
    '#| odev 1.1 errors.words\ndef words(code, status=1):\n    raise NotImplementedError("ÖDEV 1.1")\n',
    '#| odev 1.2 errors.later\nasync def later(code):\n    raise NotImplementedError("ÖDEV 1.2")\n',
)
STEPS = """import asyncio
import pytest


@pytest.mark.task("1.1", points=4, hint="ilk testin ipucu")
@pytest.mark.parametrize("code", [None, "A"])
def test_words(code):
    from safechat.errors import words

    came = words(code, status=2)
    assert came == ((code or "yok").lower(), 2), f"words({code!r}, status=2) → {came!r}; beklenen: …"


@pytest.mark.task("1.1", points=4, hint="fırlat")
def test_a_number():
    from safechat.errors import NotOurs, words

    number = 3
    with pytest.raises(NotOurs):
        words(number)


@pytest.mark.task("1.2", points=4, hint="ilk testin ipucu")
def test_later():
    from safechat.errors import later

    assert asyncio.run(later("a")) == "a"
"""


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    course = Course(tmp_path_factory.mktemp("course"))
    mini.write(course.src / "safechat" / "__init__.py", "")
    mini.write(course.src / "safechat" / "errors.py", MODULE)
    mini.write(course.lessons / "01_errors.ipynb", mini.notebook("# Hatalar", *STUBS))
    mini.write(course.steps / "test_01_errors.py", STEPS)
    with copies(course) as course_copies:
        yield Grader(course, course_copies, course.tasks, lambda: collect(course), quick=True)


def judge(grader: Grader, id: str, body: str, first: str = "") -> TaskResult:
    """The body of the task's function; `first` in place of its first line."""
    tag, line = STUBS[int(id[-1]) - 1].splitlines()[:2]
    lines = "".join(f"    {code}\n" for code in body.splitlines())
    task = next(task for task in grader.tasks if task.id == TaskId.parse(id))
    return grader.judge(task, task_cell(f"{tag}\n{first or line}\n{lines}"))


@pytest.mark.parametrize(
    ("id", "body", "first", "words"),
    [
        ("1.1", "return code.lower(), status", "", "`None` üzerinde `.lower` yoktur"),
        ("1.1", "return code[0], status", "", "Bu satırda değer `None` gelmiş"),
        ("1.1", "raise NotOurs('x')", "", "`raise` yerine `return` yaz"),
        (
            "1.1",
            "error = NotOurs('x')\nif code == 3: return error\nreturn (code or 'yok').lower(), status",
            "",
            "`return` yerine `raise` yaz",
        ),
        ("1.2", "return await words(code)", "", "`await` kelimesini sil"),
        ("1.2", "return await words", "", "onu çağırmamışsın"),
        ("1.1", "return '3' - str(status), status", "", "önce sayıya ya da zamana çevir"),
        (
            "1.1",
            "from contextlib import contextmanager\nreturn contextmanager(iter)([]).upper, status",
            "",
            "Bu değer bir `with` ister",
        ),
        ("1.2", "return code", "def later(code):", "seninki düz bir `def`"),
        ("1.1", "return input(), status", "", "`input()` satırını sil"),
        ("1.1", "return words(code, status)", "", "durmadan kendini"),
        ("1.1", "return code, status", "def words(code, status, extra):", "argümanları değişmiş"),
        ("1.1", "return code, status", "def words(code):", "argümanları değişmiş"),
        ("1.1", "return plain(code, 1, 2)", "", "`help(plain)`"),
        ("1.1", "return Shop().sell()", "", "`sell` yanlış sayıda ya da yanlış adla argüman almış. Dersin"),
        ("1.1", "return code, status", "async def words(code, status=1):", "`async` kelimesini sil"),
        (
            "1.1",
            "import json\nreturn json.loads(code or '<'), status",
            "",
            "`json.loads`'u kendin çağırmışsın",
        ),
        ("1.1", "print(code, status)", "", "`print` yalnızca gösterir"),
        ("1.1", "return SELAM, status", "", "`SELAM` bu hücrede tanımlı değil"),
        ("1.1", "return {'a': 1}[code or 'yok'], status", "", "Sözlükte 'yok' anahtarı yok"),
        ("1.1", "return [][0], status", "", "liste boş da gelebilir"),
        ("1.1", "import sys\nsys.exit(1)", "", "bütün programı bitirir"),
        ("1.1", "yield code, status", "", "Sonucu `return` ile döndür"),
        (
            "1.1",
            "try:\n    word = code.lower()\nexcept AttributeError:\n    pass\nreturn word, status",
            "",
            "sonuna tek başına `raise` yaz",
        ),
        ("1.1", "if status == 1: word = code\nreturn word, status", "", "bazı yollarda hiç değer"),
        (
            "1.2",
            "import contextlib\nasync with contextlib.suppress():\n    return code",
            "",
            "`async with` yazma",
        ),
        ("1.1", "quit()", "", "bütün programı bitirir"),
        (
            "1.2",
            "import asyncio\nreturn asyncio.run(plain(code))",
            "",
            "`asyncio.run(…)` yerine `await …` yaz",
        ),
    ],
)
def test_the_hint_names_the_mistake(grader: Grader, id: str, body: str, first: str, words: str) -> None:
    result = judge(grader, id, body, first)
    assert result.state in (State.FAILED, State.CRASHED)
    assert words in result.hint
    if result.message.startswith(("NameError", "UnboundLocalError", "TypeError: object function")):
        assert not result.more  # the hint says all
    else:
        assert result.more.startswith(("ilk testin ipucu", "fırlat"))


@pytest.mark.parametrize(
    ("message", "returned", "is_named"),
    [
        ("words(3) → hata fırlatılmadı; NotOurs fırlatılmalıydı", "NotOurs('3')", True),
        ("words(3) → hata fırlatılmadı; NotOurs fırlatılmalıydı", "errors.NotOurs('3')", True),
        ("raise edilmedi, döndürüldü: NotOurs('3')", "failure", True),
        ("words(3) → hata fırlatılmadı; EmptyReply fırlatılmalıydı", "ChatReply('3')", False),
        ("words(3) → hata fırlatılmadı; EmptyReply fırlatılmalıydı", "reply", False),
    ],
)
def test_a_wrong_value_is_not_taken_for_an_error_that_is_returned(
    message: str, returned: str, is_named: bool
) -> None:
    source = f"#| odev 1.1 errors.words\ndef words(code, status=1):\n    return {returned}\n"
    failed = TaskResult("1.1", "errors.words", 4, State.FAILED, message, hint="ilk testin ipucu")
    hint = explained(failed, source, definition(MODULE, "words")).hint
    assert ("`return` yerine `raise` yaz" in hint) is is_named


@pytest.mark.parametrize(
    ("body", "is_named"), [("last_error(code)", True), ("if code: raise last_error(code)", False)]
)
def test_an_answer_without_any_raise_is_told_that_it_raises_nothing(body: str, is_named: bool) -> None:
    source = f"#| odev 1.1 errors.words\ndef words(code, status=1):\n    {body}\n"
    message = "gelen: raise edilmedi, döndürüldü: None; beklenen: NotOurs"
    failed = TaskResult("1.1", "errors.words", 4, State.FAILED, message, hint="ilk testin ipucu")
    hint = explained(failed, source, definition(MODULE, "words")).hint
    assert ("kodda hiç `raise` yok" in hint) is is_named


@pytest.mark.parametrize(("attribute", "is_named"), [("state", True), ("other", False)])
def test_a_value_in_place_of_a_method_is_named(attribute: str, is_named: bool) -> None:
    original = "class Words(Base):\n    def of(self):\n        return self.state()\n"
    source = (
        f'#| odev 1.1 errors.Words\nclass Words(Base):\n    def of(self):\n        self.{attribute} = ""\n'
    )
    error = "TypeError: 'str' object is not callable"
    failed = TaskResult("1.1", "errors.Words", 4, State.FAILED, error, hint="ilk testin ipucu")
    hint = explained(failed, source, definition(original, "Words")).hint
    assert ("Bir metodun adına değer atamışsın" in hint) is is_named


def test_an_error_inside_anothers_words_is_no_sign() -> None:
    source = "#| odev 1.1 errors.words\ndef words(code, status=1):\n    return code\n"
    message = "Translated(\"UnboundLocalError: cannot access local variable 'answer'\").of → 1; beklenen: 2"
    failed = TaskResult("1.1", "errors.words", 4, State.FAILED, message, hint="ilk testin ipucu")
    assert explained(failed, source, definition(MODULE, "words")) == failed


def test_an_answer_that_is_no_definition_has_its_mistake_named_too() -> None:
    source = "#| odev 1.1 errors.words\nwords = lambda code, status=1: code.lower()\n"
    message = "AttributeError: 'NoneType' object has no attribute 'lower'"
    original = definition(MODULE, "words")
    failed = TaskResult("1.1", "errors.words", 4, State.FAILED, message, hint="ilk testin ipucu")
    assert "`.lower` yoktur" in explained(failed, source, original).hint


def test_a_plain_function_that_returns_a_coroutine_is_an_answer(grader: Grader) -> None:
    assert judge(grader, "1.2", "return plain(code)", "def later(code):").passed


def test_another_crash_keeps_the_tests_hint_for_the_second_step(grader: Grader) -> None:
    result = judge(grader, "1.1", "raise ValueError('x')\nreturn 1")
    assert (result.state, result.hint, result.more) == (State.CRASHED, "", "ilk testin ipucu")


def test_a_call_that_raises_nothing_is_named(grader: Grader) -> None:
    result = judge(grader, "1.1", "return (code or 'yok').lower() if code != 3 else code, status")
    assert result.message == "words(3) → hata fırlatılmadı; NotOurs fırlatılmalıydı"


def test_an_error_in_place_of_another_is_named_with_the_one_that_is_awaited(grader: Grader) -> None:
    result = judge(
        grader, "1.1", "if code == 3:\n    raise Other(code)\nreturn (code or 'yok').lower(), status"
    )
    assert result.message == "words(3) → Other fırlatıldı; beklenen: NotOurs"


def test_an_error_that_nobody_awaits_is_named_in_turkish_and_not_by_its_own_text(grader: Grader) -> None:
    result = judge(grader, "1.1", "if code is None: raise NotOurs('0 characters came')\nreturn code, status")
    assert result.message == "words(…) → NotOurs fırlatıldı; bu hata beklenmiyordu"


def test_another_failure_has_its_tests_hint(grader: Grader) -> None:
    result = judge(grader, "1.1", "return code, status")
    assert (result.state, result.hint) == (State.FAILED, "ilk testin ipucu")
    assert result.message == "words(None, status=2) → (None, 2); beklenen: …"


def test_a_syntax_error_of_what_the_code_runs_is_named(grader: Grader) -> None:
    result = judge(grader, "1.1", "return eval('1 +')")
    assert result.message.startswith("SyntaxError: invalid syntax ←")


def test_no_address_of_an_object_makes_a_message_another_one_in_each_run() -> None:
    objects = "<function f.<locals>.g.<locals>.h at 0x7f1c>, <bound method A.b of <m.A object at 0x7f1c>>"
    assert in_turkish(f"gelen: {objects}, <m.f.<locals>.B object at 0x7f1c>") == "gelen: h, A.b, B"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            "AssertionError: assert None == '429'\n +  where None = text_of('')",
            "text_of('') → None; beklenen: '429'",
        ),
        (
            "AssertionError: assert 'Merhaba ' == 'Merhaba x'\n  \n  - Merhaba x\n  + Merhaba \n"
            " +  where 'Merhaba ' = <function greet at 0x7f75e14eba60>('')",
            "greet('') → 'Merhaba '; beklenen: 'Merhaba x'",
        ),
        (
            "AssertionError: assert 'selam' == 'Sel'\n  \n  - Sel\n  + selam",
            "'selam' geldi; beklenen: 'Sel'",
        ),
        ("assert None is not None\n +  where None = f(True)", "f(True) → None; None olmamalıydı"),
        (
            "AssertionError: assert 'x' in 'q'\n +  where 'q' = str(E('q'))\n"
            " +    where E('q') = <ExceptionInfo E('q') tblen=1>.value",
            "str(E('q')) içinde 'x' yok",
        ),
        ("Failed: DID NOT RAISE <class 'safechat.errors.E'>", "hata fırlatılmadı; E fırlatılmalıydı"),
        ("Failed: DID NOT RAISE EmptyReply", "hata fırlatılmadı; EmptyReply fırlatılmalıydı"),
        ("AssertionError: classify(1) → X; beklenen: Y", "classify(1) → X; beklenen: Y"),
        ("KeyError: 'a'", "KeyError: 'a'"),
        ("AssertionError: assert (1 == 2 and 3 == 4)", "assert (1 == 2 and 3 == 4)"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_failed_assertion_is_in_turkish(message: str, line: str) -> None:
    assert in_turkish(message) == line


@pytest.mark.parametrize(
    "end",
    [
        "; beklenen: '429'",
        "; beklenen: '429' ← return None",
        "; EmptyReply fırlatılmalıydı",
        " ← return values[0]",
    ],
)
def test_a_long_value_does_not_cut_off_what_was_expected(end: str) -> None:
    line = shortened(f"text_of(429) → {'a' * 1000}{end}")
    assert line.startswith("text_of(429) → aaa")
    assert line.endswith(f"a…{end}")
    assert len(line) == LONGEST


def test_a_long_expected_value_leaves_room_for_what_came() -> None:
    line = shortened(f"f() → {'a' * 1000}; beklenen: {'b' * 1000}")
    assert "aaa…; beklenen: bbb" in line
    assert len(line) == LONGEST
