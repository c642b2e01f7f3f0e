"""Cells of different students that are identical, or nearly, after every name is renamed in order.

It is a hint to look at these cells, never a verdict: a short task has one obvious answer, and what the
lesson gives is the same for all. Not here: any points.
"""

from __future__ import annotations

import ast
import builtins
import io
import keyword
import re
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from odev.course.cells import TaskId
from odev.grading.grader import is_stub
from odev.instructor.submission import Submission

ALIKE = 0.85  # part of the runs that two cells have in common
_RUN = 3  # tokens of a run
_FEWEST = 25  # tokens beyond the stub's; below it everybody's cell looks alike
_MOST_LINES = 30  # of one task in the report
_MARKUP = re.compile(r"[\\`*<\[]")  # what a name could make of the report's Markdown
_NAME = "\0"  # no token begins so
_BUILTINS = set(dir(builtins))
_Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
_SKIPPED = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alike:
    """`names` have cells for this task of which this part is the same; 1.0 is the same code, renamed."""

    task: TaskId
    names: tuple[str, ...]
    part: float


def same_answers(submissions: Sequence[Submission], stubs: Mapping[TaskId, str]) -> list[Alike]:
    """Groups with identical cells, then pairs of groups with similar ones, for each task."""
    found: list[Alike] = []
    for task in sorted({id for submission in submissions for id in submission.cells}):
        given = Counter(_tokens(stubs.get(task, "")))
        groups: dict[tuple[str, ...], list[str]] = {}
        for submission in submissions:
            cell = submission.cells.get(task)
            if cell is None or is_stub(cell.source, cell):
                continue
            tokens = tuple(_tokens(cell.source))
            if (Counter(tokens) - given).total() >= _FEWEST:
                groups.setdefault(tokens, []).append(submission.name)
        found += [Alike(task, tuple(names), 1.0) for names in groups.values() if len(names) > 1]
        runs = {tokens: _runs(tokens) for tokens in groups}
        similar: list[Alike] = []
        for one, other in combinations(groups, 2):
            common = (runs[one] & runs[other]).total()
            part = 2 * common / (runs[one].total() + runs[other].total())
            if part >= ALIKE:
                similar.append(Alike(task, (*groups[one], *groups[other]), part))
        found += sorted(similar, key=lambda alike: -alike.part)
    return found


def report(found: Iterable[Alike], students: int) -> str:
    """The report in Turkish, as Markdown."""
    lines = [
        "# Birbirine benzeyen cevaplar",
        "",
        "Adlar değiştirilse de aynı ya da çok benzer kalan hücreler. Bu bir ipucudur, hüküm değildir:",
        "kısa bir görevin doğru cevabı çoğu kişide aynıdır. Hücrelere kendin bak, öğrenciyle konuş.",
        "",
    ]
    by_task: dict[TaskId, list[Alike]] = {}
    for alike in found:
        by_task.setdefault(alike.task, []).append(alike)
    for task, own in by_task.items():
        lines += [f"## Görev {task}", ""]
        for alike in own[:_MOST_LINES]:
            how = "aynı" if alike.part == 1.0 else f"%{alike.part * 100:.0f} benzer"
            many = " (sınıfın çoğu: doğal olabilir)" if len(alike.names) > max(3, students / 3) else ""
            names = ", ".join(_MARKUP.sub(r"\\\g<0>", name) for name in alike.names)
            lines.append(f"- {how}: {names}{many}")
        if len(own) > _MOST_LINES:
            lines.append(f"- … ve {len(own) - _MOST_LINES} satır daha")
        lines.append("")
    if not by_task:
        lines.append("Benzeyen cevap yok.")
    return "\n".join(lines).rstrip() + "\n"


def _tokens(source: str) -> Iterator[str]:
    """The code without comments, docstrings and layout; every name is the number of its first use, except
    builtins and public attributes, which nobody can rename."""
    names: dict[str, str] = {}
    try:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, _Documented) and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        source = ast.unparse(tree)
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return  # a cell that Python cannot read gets no points either
    before = ""
    for token in tokens:
        if token.type in _SKIPPED:
            continue
        text = token.string
        is_attribute = before == "." and not text.startswith("_")
        if token.type == tokenize.NAME and not (keyword.iskeyword(text) or text in _BUILTINS or is_attribute):
            yield names.setdefault(text, f"{_NAME}{len(names)}")
        else:
            yield text
        before = text


def _runs(tokens: Sequence[str]) -> Counter[tuple[str, ...]]:
    """The runs of tokens, with one word for all names: a name more would change the number of all others."""
    bare = [_NAME if token.startswith(_NAME) else token for token in tokens]
    return Counter(tuple(bare[at : at + _RUN]) for at in range(max(1, len(bare) - _RUN + 1)))
