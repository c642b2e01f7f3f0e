"""The answer in a cell: the statements that bind the task's name, and those of the cell that they use.

A notebook is one namespace, so an answer may use what stands beside it: a helper, a constant, an import. All
that it uses belongs to it; the rest of the cell does not: trials, calls, tests of the student's own. Which
names a statement uses is what Python's own symbol table says. Not here: how an answer gets into a module
(splice.py).
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterable, Iterator, Sequence

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Import = ast.Import | ast.ImportFrom
Assignment = ast.Assign | ast.AnnAssign | ast.AugAssign


class SpliceError(Exception):
    """The new source cannot take the definition's place; the message is Turkish, for its author."""


def parse_cell(source: str) -> ast.Module:
    """The cell's syntax tree. SpliceError for whatever Python cannot read."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        place = f" ({error.lineno}. satır)" if error.lineno else ""
        raise SpliceError(f"Python bu hücreyi okuyamıyor{place}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte, brackets without end
        raise SpliceError(f"Python bu hücreyi okuyamıyor: {error}") from None


def answer_in(cell: ast.Module, name: str) -> list[ast.stmt]:
    """The statements of the answer, in the cell's order; empty when the cell does not bind `name`.

    SpliceError for a definition that Python cannot compile.
    """
    names: set[str] = set()
    pending = [name]
    belongs: set[ast.stmt] = set()
    while pending:
        wanted = pending.pop()
        if wanted not in names:
            names.add(wanted)
            for statement in _last_binding(cell.body, wanted):
                belongs.add(statement)
                pending += used_names(statement)
    return [_trimmed(statement, names) for statement in cell.body if statement in belongs]


def _trimmed(statement: ast.stmt, names: set[str]) -> ast.stmt:
    """Of an import, what binds one of these names; any other statement as it is."""
    if not isinstance(statement, Import):
        return statement
    needed = [alias for alias in statement.names if (alias.asname or alias.name.partition(".")[0]) in names]
    if isinstance(statement, ast.Import):
        return ast.Import(needed)
    return ast.ImportFrom(statement.module, needed, statement.level)


def bound_names(statement: ast.stmt) -> list[str]:
    """The names that a definition, an import or an assignment binds, or stores something into."""
    if isinstance(statement, Definition):
        return [statement.name]
    if isinstance(statement, Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
    if isinstance(statement, ast.Assign):
        return [name for target in statement.targets for name in _roots(target)]
    if isinstance(statement, ast.AnnAssign | ast.AugAssign):
        return list(_roots(statement.target))
    return []


def used_names(statement: ast.stmt) -> set[str]:
    """The global names that the statement uses, in the functions and classes that it defines too."""
    table = _symbols(statement)
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    return names.union(symbol.get_name() for symbol in _inner_symbols(table) if symbol.is_global())


def inner_names(statement: ast.stmt) -> set[str]:
    """The names that a function or a class in the statement binds for itself, or declares global."""
    return {
        symbol.get_name()
        for symbol in _inner_symbols(_symbols(statement))
        if not symbol.is_global() or symbol.is_declared_global()
    }


def _symbols(statement: ast.stmt) -> symtable.SymbolTable:
    try:
        return symtable.symtable(ast.unparse(statement), "cell", "exec")
    except SyntaxError as error:  # what the grammar allows and the compiler does not: two equal parameters
        raise SpliceError(f"Python bu hücreyi okuyamıyor: {error.msg}") from None
    except RecursionError as error:
        raise SpliceError(f"Python bu hücreyi okuyamıyor: {error}") from None


def _inner_symbols(table: symtable.SymbolTable) -> Iterator[symtable.Symbol]:
    for child in table.get_children():
        yield from child.get_symbols()
        yield from _inner_symbols(child)


def _last_binding(statements: Sequence[ast.stmt], name: str) -> list[ast.stmt]:
    """The last statement that binds the name, with the earlier ones that it changes or builds upon.

    `TABLE["x"] = 1` changes what an earlier statement has bound, and `f = traced(f)` builds upon it.
    """
    binding: list[ast.stmt] = []
    for statement in statements:
        if name in bound_names(statement):
            if _is_fresh(statement, name):
                binding.clear()
            binding.append(statement)
    return binding


def _is_fresh(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, ast.Assign):
        whole = {node.id for target in statement.targets for node in _stored(target)}
        return name in whole and name not in used_names(statement)
    return not isinstance(statement, ast.AugAssign)


def _stored(target: ast.expr) -> Iterator[ast.Name]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node


def _roots(target: ast.expr) -> Iterable[str]:
    """`a` and `b` of `a, b`; `a` of `a.b` and of `a["b"]`."""
    if isinstance(target, ast.Attribute | ast.Subscript | ast.Starred):
        return _roots(target.value)
    if isinstance(target, ast.Tuple | ast.List):
        return [name for element in target.elts for name in _roots(element)]
    return [target.id] if isinstance(target, ast.Name) else []
