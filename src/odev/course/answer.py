"""The answer in a cell: the statements that bind the task's name, and those of the cell that they use.

A notebook is one namespace, so an answer may use what stands beside it: a helper, a constant, an import. All
that it uses belongs to it, also where a loop, an `if` or a `try` makes it; the rest of the cell does not:
trials, calls, tests of the student's own. Which names a statement uses is what Python's own symbol table
says. Not here: how an answer gets into a module (splice.py).
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Collection, Iterable, Iterator, Sequence

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Import = ast.Import | ast.ImportFrom
Assignment = ast.Assign | ast.AnnAssign | ast.AugAssign
_Inner = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp  # with names of its own
# The methods of containers that change them; `register` adds to a function of functools.singledispatch.
_CHANGES = {
    "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "register", "remove",
    "reverse", "setdefault", "sort", "update",
}  # fmt: skip


class SpliceError(Exception):
    """The new source cannot take the definition's place; the message is Turkish, for its author."""


def parse_cell(source: str) -> ast.Module:
    """The cell's syntax tree. SpliceError for whatever Python cannot read."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # a null byte, endless brackets
        raise _unreadable(error) from None


def check_compiles(statements: Sequence[ast.stmt]) -> None:
    """SpliceError for what the grammar allows and the compiler does not: `await` in a plain function."""
    try:
        compile(ast.Module([*statements], []), "cell", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> SpliceError:
    place = f" ({error.lineno}. satır)" if isinstance(error, SyntaxError) and error.lineno else ""
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    if "outside async function" in reason:
        reason += ". `await` yalnız `async def` ile başlayan bir fonksiyonda durabilir"
    return SpliceError(f"Python bu hücreyi okuyamıyor{place}: {reason}")


def answer_in(cell: ast.Module, name: str) -> list[ast.stmt]:
    """The statements of the answer, in the cell's order; empty when the cell does not bind `name` at its top
    level. Where it uses a name that nobody binds, each `from … import *` belongs to it.

    SpliceError for a definition that Python cannot compile.
    """
    binding: dict[str, list[ast.stmt]] = {}
    for statement in cell.body:
        for bound in bound_names(statement):
            if bound != name or isinstance(statement, Definition | Import | Assignment):
                binding.setdefault(bound, []).append(statement)
    names: set[str] = set()
    pending = [name]
    belongs: set[ast.stmt] = set()
    while pending:
        wanted = pending.pop()
        if wanted not in names:
            names.add(wanted)
            for statement in _last_binding(binding.get(wanted, ()), wanted):
                belongs.add(statement)
                pending += used_names(statement)
    if unbound_names(belongs):
        names.add("*")
        belongs.update(binding.get("*", ()))
    return [_trimmed(statement, names) for statement in cell.body if statement in belongs]


def unbound_names(statements: Collection[ast.stmt]) -> set[str]:
    """The names that these statements use, and that neither they nor Python itself binds."""
    used = {name for statement in statements for name in used_names(statement)}
    return used.difference(dir(builtins), *map(bound_names, statements))


def _trimmed(statement: ast.stmt, names: set[str]) -> ast.stmt:
    """Of an import, what binds one of these names; any other statement as it is."""
    if not isinstance(statement, Import):
        return statement
    needed = [alias for alias in statement.names if (alias.asname or alias.name.partition(".")[0]) in names]
    if isinstance(statement, ast.Import):
        return ast.Import(needed)
    return ast.ImportFrom(statement.module, needed, statement.level)


def bound_names(statement: ast.stmt) -> list[str]:
    """The names that the statement binds, that it stores something into, or whose container it changes."""
    return list(dict.fromkeys(name for node in _run_at_once(statement) for name in _bound_by(node)))


def _run_at_once(statement: ast.stmt) -> Iterator[ast.AST]:
    """What Python runs when it runs the statement: not the inside of functions and classes."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, Definition):
            pending += node.decorator_list
        elif not isinstance(node, _Inner):
            pending += reversed(list(ast.iter_child_nodes(node)))  # in the order of the source


def _bound_by(node: ast.AST) -> Iterable[str]:
    if isinstance(node, Definition):
        return [node.name]
    if isinstance(node, Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
        return _root(node.value)
    if isinstance(node, ast.Attribute) and node.attr in _CHANGES and isinstance(node.value, ast.Name):
        return [node.value.id]
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


def _last_binding(statements: Sequence[ast.stmt], name: str) -> Sequence[ast.stmt]:
    """Of the statements that bind the name, the last, with the earlier ones that it changes or builds upon.

    `TABLE["x"] = 1` and a loop change what an earlier one has bound, and `f = traced(f)` builds upon it.
    """
    fresh = [at for at, statement in enumerate(statements) if _is_fresh(statement, name)]
    return statements[fresh[-1] :] if fresh else statements


def _is_fresh(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, ast.Assign):
        whole = {node.id for target in statement.targets for node in _stored(target)}
        return name in whole and name not in used_names(statement)
    if isinstance(statement, Definition):
        return statement.name == name
    return isinstance(statement, Import | ast.AnnAssign)


def _stored(target: ast.expr) -> Iterator[ast.Name]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node


def _root(target: ast.expr) -> Iterable[str]:
    """`a` of `a`, of `a.b` and of `a["b"]`."""
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return [target.id] if isinstance(target, ast.Name) else []
