"""The small mutations of a definition: at each place in it, the mistakes that are easily made there.

A comparison that is one off, another constant, a condition turned round or left out, a statement, an argument
or an element left out, a return in place of a raise. Docstrings, texts for people (with a space in them, or
formatted), annotations, bases and decorators stay as they are. Not here: which mutants the tests notice
(mutants.py).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from odev.course.answer import Definition

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "Exception": "BaseException"}
_REMOVABLE = ast.Expr | ast.Assign | ast.AugAssign | ast.Raise | ast.Delete | ast.Continue | ast.Break
_UNTOUCHED = {"annotation", "returns", "decorator_list", "bases", "type_params"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A definition with one change. `change` names it: what was there → what is there now, with a number
    from the second time on that the definition has this change."""

    change: str
    source: str


def mutants_of(definition: Definition) -> list[Mutant]:
    """All mutants, in the order of their places."""
    mutants: list[Mutant] = []
    seen = {ast.unparse(definition)}
    count: Counter[str] = Counter()
    for parent, holder, key, node in _places(definition):
        for replacement in _replacements(node, key):
            before = _text(node, parent)
            _put(holder, key, replacement)
            source = ast.unparse(ast.fix_missing_locations(definition))
            change = f"{before} → {_text(replacement, parent)}"
            _put(holder, key, node)
            if source in seen:
                continue
            seen.add(source)
            count[change] += 1
            mutants.append(Mutant(change if count[change] == 1 else f"{change} ({count[change]})", source))
    return mutants


def _places(node: ast.AST) -> Iterator[tuple[ast.AST, Any, str | int, ast.AST]]:
    """Where a node may be replaced: its parent, what holds it, its name or number there, and the node."""
    for name, value in ast.iter_fields(node):
        if name in _UNTOUCHED or isinstance(node, ast.JoinedStr):
            continue
        children = enumerate(value) if isinstance(value, list) else [(name, value)]
        for key, child in children:
            if isinstance(child, ast.AST) and not _is_docstring(child):
                yield node, value if isinstance(value, list) else node, key, child
                yield from _places(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _put(holder: Any, key: str | int, node: ast.AST) -> None:
    if isinstance(key, int):
        holder[key] = node
    else:
        setattr(holder, key, node)


def _replacements(node: ast.AST, key: str | int) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        yield from _statements(node)
    elif isinstance(node, ast.expr):
        yield from _expressions(node)
        if key == "test" and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield ast.UnaryOp(ast.Not(), node)
    elif isinstance(node, ast.comprehension):
        for number in range(len(node.ifs)):
            left = [*node.ifs[:number], *node.ifs[number + 1 :]]
            yield ast.comprehension(node.target, node.iter, left, node.is_async)
    elif type(node) in _OPERATORS:
        yield _OPERATORS[type(node)]()


def _statements(node: ast.stmt) -> Iterator[ast.stmt]:
    if isinstance(node, _REMOVABLE) or (isinstance(node, ast.If) and not node.orelse):
        yield ast.Pass()
    if isinstance(node, ast.Raise) and node.exc is not None:
        yield ast.Return(node.exc)
    if isinstance(node, ast.Return) and node.value is not None:
        yield ast.Return(None)
    if isinstance(node, ast.With | ast.AsyncWith | ast.Try):
        yield ast.If(ast.Constant(True), node.body, [])


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BoolOp):
        for left in _one_fewer(node.values):
            yield left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in _NAMES:
        yield ast.Name(_NAMES[node.id], node.ctx)
    elif isinstance(node, ast.Set) and len(node.elts) > 1:
        yield from map(ast.Set, _one_fewer(node.elts))
    elif isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        for elements in (*_one_fewer(node.elts), node.elts[::-1]):
            yield type(node)(elements, node.ctx)
    elif isinstance(node, ast.Call):
        if node.args and not isinstance(node.args[-1], ast.Starred):
            yield ast.Call(node.func, node.args[:-1], node.keywords)
        for keywords in _one_fewer(node.keywords):
            yield ast.Call(node.func, node.args, keywords)
    elif isinstance(node, ast.Constant):
        yield from _constants(node.value)


def _one_fewer(items: list[Any]) -> Iterator[list[Any]]:
    for number in range(len(items)):
        yield [*items[:number], *items[number + 1 :]]


def _constants(value: object) -> Iterator[ast.Constant]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and value and " " not in value:
        yield ast.Constant(f"{value}x")


def _text(node: ast.AST, parent: ast.AST) -> str:
    """Its first line; of an operator, that of the whole expression."""
    is_operator = isinstance(node, ast.operator | ast.boolop | ast.cmpop)
    first, *others = ast.unparse(ast.fix_missing_locations(parent if is_operator else node)).splitlines()
    return f"{first} …" if others else first
