"""The usual mistakes of any task: a sign in the error or in the code, and a hint that names the mistake.

A hint of a test is about what that test asks for. These mistakes fail whichever test
comes first, so its hint would mislead. Not here: mistakes of one task (its tests' hints).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from odev.course.answer import Definition, SpliceError, parse_cell
from odev.course.splice import definition_in
from odev.grading.result import State, TaskResult


@dataclass(frozen=True, slots=True)
class Answer:
    """A student's definition beside the course's own, and the task's name.

    `node` is the whole cell where the answer is no definition (`greet = lambda name: …`).
    """

    name: str
    text: str  # the error, or the failed test's message
    node: Definition | ast.Module
    original: Definition


@dataclass(frozen=True, slots=True)
class Mistake:
    """`hint` (Turkish) may use the groups of `sign`, which is searched for in the error or in the failed
    test's message. `code` looks at the answer. Where the hint `says_all`, the test's does not follow it."""

    hint: str
    sign: str = ""
    code: Callable[[Answer], bool] = lambda answer: True
    says_all: bool = False


def explained(result: TaskResult, source: str, original: Definition | None) -> TaskResult:
    """The result with the hint of its mistake in place of the test's.

    A crash of another kind has no hint: the call, the line and the error say more than the hint of the test
    that met it. The test's hint is then the second one.
    """
    if original is None or result.state not in (State.FAILED, State.CRASHED):
        return result
    hint, says_all = _hint(result, source, original)
    if not hint and (result.state is State.FAILED or not result.hint):
        return result
    more = "" if says_all else "\n".join(filter(None, (result.hint, result.more)))
    return replace(result, hint=hint, more=more)


def _hint(result: TaskResult, source: str, original: Definition) -> tuple[str, bool]:
    """The hint, and whether it says all; empty where the mistake is none of the usual ones."""
    try:
        cell = parse_cell(source)
    except SpliceError:
        return "", False
    text = result.crash.error if result.crash is not None else result.message
    answer = Answer(original.name, text, definition_in(cell, original.name) or cell, original)
    for mistake in MISTAKES:
        sign = re.search(mistake.sign, text)
        if sign is not None and mistake.code(answer):
            return mistake.hint.format(*sign.groups(), name=answer.name), mistake.says_all
    return "", False


# What the code shows


def _is_async_by_mistake(answer: Answer) -> bool:
    return isinstance(answer.node, ast.AsyncFunctionDef) and isinstance(answer.original, ast.FunctionDef)


def _is_not_async(answer: Answer) -> bool:
    return isinstance(answer.node, ast.FunctionDef) and isinstance(answer.original, ast.AsyncFunctionDef)


def _has_other_arguments(answer: Answer) -> bool:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    if not isinstance(answer.node, functions) or not isinstance(answer.original, functions):
        return False
    return _arguments(answer.node) != _arguments(answer.original)


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[list[str], list[str], int]:
    """Names by position, names of keywords, and how many have a default."""
    arguments = node.args
    by_position = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    keywords = sorted(argument.arg for argument in arguments.kwonlyargs)
    return by_position, keywords, len(arguments.defaults)


def _calls(*names: str) -> Callable[[Answer], bool]:
    def code(answer: Answer) -> bool:
        return any(
            isinstance(node, ast.Call) and ast.unparse(node.func) in names for node in ast.walk(answer.node)
        )

    return code


def _returns_nothing(answer: Answer) -> bool:
    return not _returned(answer)


def _only_prints(answer: Answer) -> bool:
    return _returns_nothing(answer) and _calls("print")(answer)


def _only_raises(answer: Answer) -> bool:
    return _returns_nothing(answer) and any(isinstance(node, ast.Raise) for node in ast.walk(answer.node))


def _returns_an_error(answer: Answer) -> bool:
    """Whether it returns the error that the test waits for, or a name that speaks of an error."""
    awaited = re.search(r"(\w+) fırlatılmalıydı", answer.text)
    names = "error|failure|hata|exception" + (f"|{awaited[1]}" if awaited else "")
    words = re.compile(rf"^(?:\w+\.)*\w*(?:{names})\w*$", re.IGNORECASE)
    values = [value.func if isinstance(value, ast.Call) else value for value in _returned(answer)]
    return any(words.search(ast.unparse(value)) for value in values)


def _returned(answer: Answer) -> list[ast.expr]:
    returns = [node for node in ast.walk(answer.node) if isinstance(node, ast.Return)]
    return [node.value for node in returns if node.value is not None]


def _never_raises(answer: Answer) -> bool:
    return not any(isinstance(node, ast.Raise) for node in ast.walk(answer.node))


def _goes_on_after_except(answer: Answer) -> bool:
    """Whether the name without a value gets its value in a `try`, one of whose `except` blocks runs on."""
    unbound = re.search(r"'(\w+)'", answer.text)
    return unbound is not None and any(
        unbound[1] in _stored(node.body)
        and any(
            not isinstance(handler.body[-1], ast.Raise | ast.Return | ast.Continue | ast.Break)
            for handler in node.handlers
        )
        for node in ast.walk(answer.node)
        if isinstance(node, ast.Try)
    )


def _stored(statements: list[ast.stmt]) -> set[str]:
    """The names that get a value there."""
    nodes = (node for statement in statements for node in ast.walk(statement))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _hides_a_method(answer: Answer) -> bool:
    """Whether it gives a value to an attribute of `self` that it, or the course's own, calls."""
    attributes = [node for node in ast.walk(answer.node) if isinstance(node, ast.Attribute)]
    stored = {ast.unparse(node) for node in attributes if isinstance(node.ctx, ast.Store)}
    calls = (node for whole in (answer.node, answer.original) for node in ast.walk(whole))
    return any(isinstance(node, ast.Call) and ast.unparse(node.func) in stored for node in calls)


_AWAITED = r"^TypeError: (?:object )?'?(\w+)'? (?:object )?can't be (?:used in 'await' expression|awaited)"
MISTAKES = (
    Mistake(
        "`{0}` bu hücrede tanımlı değil. Görev hücresi tek başına sınanır: kullandığın yardımcı fonksiyonu, "
        "sabiti ve import'u da bu hücreye yaz.",
        sign=r"^NameError: name '(\w+)' is not defined",
        says_all=True,
    ),
    Mistake(
        "`{name}` düz bir fonksiyon olmalı, sen `async def` ile tanımladın: çağıran, sonuç yerine bir "
        "coroutine alıyor. `async` kelimesini sil.",
        code=_is_async_by_mistake,
    ),
    Mistake(
        "`{name}` `async def` ile tanımlanmalı, seninki düz bir `def`: çağıran onu `await` edemiyor. İlk "
        "satırı dersteki gibi bırak.",
        sign=f"{_AWAITED}|a coroutine was expected|awaitable is required",
        code=_is_not_async,
    ),
    Mistake(
        "`{name}` fonksiyonunun argümanları değişmiş. Çağıranlar dersteki ilk satıra göre çağırıyor: "
        "argümanların adını, sırasını ve sayısını olduğu gibi bırak. Başka bir değer gerekiyorsa onu "
        "fonksiyonun içinde tanımla.",
        sign=r"^TypeError: .*(?:argument|positional)",
        code=_has_other_arguments,
    ),
    Mistake(
        "`{0}` yanlış sayıda ya da yanlış adla argüman almış. Tanımındaki argümanlara bak: `help({0})` "
        "yazabilirsin.",
        sign=r"^TypeError: (\w+)\(\) (?:missing|takes|got)",
    ),
    Mistake(  # without the class before the dot: it may be a test's, which the student does not have
        "`{0}` yanlış sayıda ya da yanlış adla argüman almış. Dersin onu anlattığı satıra bak: hangi "
        "argümanları alır, onu sen mi çağırırsın?",
        sign=r"^TypeError: [\w.<>]+\.(\w+)\(\) (?:missing|takes|got)",
    ),
    Mistake(
        "Testler çalışırken klavyenin başında kimse yok, `input()` bu yüzden cevap alamaz. Gereken her şey "
        "argümanlarla geliyor; `input()` satırını sil.",
        sign=r"^EOFError|^OSError: .*reading from stdin",
        code=_calls("input"),
    ),
    Mistake(
        "Fonksiyon hiç durmadan kendini (ya da onu çağıran fonksiyonu) çağırıyor. Kendini çağırmasını "
        "istemediysen o satırdaki adı kontrol et; istediysen duracağı koşulu en başa yaz.",
        sign=r"^RecursionError",
    ),
    Mistake(
        "`await` ettiğin şey bir fonksiyonun kendisi: onu çağırmamışsın. Parantezi ve argümanları ekle.",
        sign=r"^TypeError: object (?:function|method) can't be used in 'await' expression"
        r"|^TypeError: '(?:function|method)' object can't be awaited",
        says_all=True,
    ),
    Mistake(
        "`await` yalnızca `async def` ile tanımlanan fonksiyonların sonucu beklenirken yazılır. Bu satırda "
        "`await` ettiğin şey ({0}) hazır bir değer: `await` kelimesini sil.",
        sign=_AWAITED,
    ),
    Mistake(
        "Bir coroutine'i `await` etmeden kullandın: `async def` ile tanımlanan fonksiyonu çağırırken önüne "
        "`await` yaz.",
        sign=r"'coroutine' object|was never awaited|cannot unpack non-iterable coroutine",
    ),
    Mistake(
        "Bu nesne düz bir `with` bloğu ister: `async with` yazma, `with` yaz.",
        sign=r"^TypeError: '([\w.]+)' object does not support the asynchronous context manager protocol",
    ),
    Mistake(
        "Bir metodun adına değer atamışsın (`self.ad = …`). O ad artık metodu değil, bir `{0}` değerini "
        "gösteriyor ve çağrılamıyor. O satırı sil; metodun neye baktığını dersteki tablo söyler.",
        sign=r"^TypeError: '(\w+)' object is not callable",
        code=_hides_a_method,
    ),
    Mistake(
        "Bu satırda değer `None` gelmiş; `None` üzerinde `.{0}` yoktur. Değerin `None` olabileceği hâli "
        "önce ayır (`if … is not None`) ya da yerine boş bir değer koy.",
        sign=r"^AttributeError: 'NoneType' object has no attribute '(\w+)'",
    ),
    Mistake(
        "Bu satırda değer `None` gelmiş; `None` içinde arama yapılamaz, köşeli parantez ya da işlem de "
        "kullanılamaz. Değerin `None` olabileceği hâli önce ayır (`if … is not None`).",
        sign=r"^TypeError: .*NoneType",
    ),
    Mistake(
        "`json.loads`'u kendin çağırmışsın. Her gövde JSON değildir, bazen de çözülmüş olarak gelir. Dersin"
        " bu iş için verdiği hazır yardımcıyı kullan; o, JSON olmayan gövdeyi de tanıdığımız bir hataya "
        "çevirir.",
        sign=r"JSONDecodeError|JSON object must be|expected string or bytes|UnicodeDecodeError",
        code=_calls("json.loads", "loads"),
    ),
    Mistake(
        "Fonksiyon sonucu ekrana yazıyor ama döndürmüyor: `print` yalnızca gösterir, çağırana değer veren "
        "`return`'dür.",
        sign=r"None",
        code=_only_prints,
    ),
    Mistake(
        "`yield` yazan bir fonksiyon, sonuç yerine bir generator verir. Sonucu `return` ile döndür.",
        sign=r"<(?:async_)?generator object",
    ),
    Mistake(
        "Fonksiyon hatayı fırlatıyor; burada istenen, onu `return` ile döndürmesi. `raise` yerine `return` "
        "yaz.",
        sign=r"^safechat\.|fırlatıldı; bu hata beklenmiyordu$",
        code=_only_raises,
    ),
    Mistake(
        "Fonksiyon hatayı bir değer gibi döndürüyor; burada istenen, onu fırlatması. `return` yerine "
        "`raise` yaz.",
        sign=r"fırlatılmalıydı|DID NOT RAISE|raise edilmedi",
        code=_returns_an_error,
    ),
    Mistake(
        "Burada bir hata fırlatılmalı, ama kodda hiç `raise` yok: fonksiyon sona varıp `None` döndürüyor. "
        "Hata nesnesini kurmak ya da almak onu fırlatmaz.",
        sign=r"raise edilmedi, döndürüldü: None",
        code=_never_raises,
    ),
    Mistake(
        "`asyncio.run` yeni bir event loop başlatır; burada ise biri zaten çalışıyor. `asyncio.run(…)` "
        "yerine `await …` yaz.",
        sign=r"^RuntimeError: .*(?:running event loop|loop is already running)",
    ),
    Mistake(
        "`exit()`, `quit()` ve `sys.exit()` fonksiyonu değil bütün programı bitirir, çağıran cevap alamaz. "
        "Sonucu `return` ile ver.",
        sign=r"^SystemExit",
    ),
    Mistake(
        "Bu değer bir `with` ister: `with …() as ad:` diye aç, bloğun içinde `ad`'ı kullan.",
        sign=r"'_(?:Async)?GeneratorContextManager' object",
    ),
    Mistake(
        "Metinden metin çıkarılamaz: değeri önce sayıya ya da zamana çevir.",
        sign=r"^TypeError: unsupported operand type\(s\) for -: .*'str'",
    ),
    Mistake(
        "`{0}` değerini `try` içinde alıyor. Orada hata gelince `except` çalışıyor, sonra program `{0}` "
        "olmadan yoluna devam ediyor. Hata dışarı çıkacaksa `except` bloğunun sonuna tek başına `raise` yaz.",
        sign=r"^UnboundLocalError: .*'(\w+)'",
        says_all=True,
        code=_goes_on_after_except,
    ),
    Mistake(
        "Değişkene bazı yollarda hiç değer verilmiyor (`{0}`). `except … as e` yazdıysan `e`, blok bitince "
        "silinir: hatayı başka bir değişkende sakla.",
        sign=r"^UnboundLocalError: .*'(\w+)'",
        says_all=True,
    ),
    Mistake(
        "Sözlükte {0} anahtarı yok. Olmayabilecek bir anahtarı `.get(…)` ile oku ya da önce `in` ile sor.",
        sign=r"^KeyError: (.+)",
    ),
    Mistake(
        "Listede o sırada bir eleman yok; liste boş da gelebilir. Elemanı almadan önce listenin boş olup "
        "olmadığına bak.",
        sign=r"^IndexError",
    ),
)
