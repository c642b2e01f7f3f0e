"""Puts an answer into a module's source in place of the definition that is there, and nothing else.

The lines of the old definition go, those of the answer come; every other line stays as it was. An answer is
the function, class or assignment of that name, with what it uses of its cell (answer.py):

- an import whose name the module does not have yet is added to its imports. `from __future__`, the course
  tool and the module itself are never imported.
- a helper or a constant that the module does not have yet comes along, before or after the definition as
  in the cell. A constant that needs a name which the module binds further below goes to the module's end.
- a name that the module has already with the same meaning stays as it is. With another meaning it gets
  another name, in the answer alone: `field_of_read_reply`. Where that could change what the answer does,
  there is a SpliceError.

Not here: which imports are missing (imports.py), cells and tags (cells.py), whether the result works
(grading/).
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from odev.course.answer import (
    Assignment,
    Definition,
    Import,
    SpliceError,
    answer_in,
    bound_names,
    check_compiles,
    inner_names,
    parse_cell,
    used_names,
)
from odev.course.imports import TAKEN, Origin, imported, missing_imports, own_names, with_imports


@dataclass(frozen=True, slots=True)
class _Fit:
    """How an answer fits into a module: the new source of its statements, those for the module's end, the
    lines of the imports to add, and the names that it brings or that the module has already as it does."""

    here: list[str]
    end: list[str]
    imports: list[str]
    added: set[str]
    shared: set[str]


def splice(
    module_source: str,
    name: str,
    new_source: str,
    *,
    module: str = "",
    replacing: Collection[str] = (),
) -> str:
    """`module_source` with `name` as `new_source` defines it.

    `module` is the module's full name; `replacing` names helpers of an earlier answer. SpliceError when the
    new source does not parse or does not define `name`; LookupError when the module does not.
    """
    module_source = _without(module_source, replacing)
    fit = _fit(module_source, name, new_source, module)
    *earlier, last = _bindings(ast.parse(module_source), name)
    text = _replaced(module_source, last, "\n\n\n".join(fit.here))
    for statement in reversed(earlier):
        text = _replaced(text, statement, "")
    if fit.end:
        text = "\n".join([text.rstrip("\n"), "", *fit.end, ""])
    return with_imports(text, fit.imports)


def helpers(
    module_source: str, name: str, new_source: str, *, module: str = "", replacing: Collection[str] = ()
) -> tuple[set[str], set[str]]:
    """The names that `splice` adds to the module beside `name`, and those of the answer's helpers that the
    module has already with the same code. An import is named by its line."""
    module_source = _without(module_source, replacing)
    fit = _fit(module_source, name, new_source, module)
    answer = answer_in(parse_cell(new_source), name)
    lines = {new.line({}) for node in answer if isinstance(node, Import) for new in imported(node)}
    return fit.added - {name} | set(fit.imports), fit.shared | lines & set(_split(module_source))


def remove(module_source: str, name: str, *, missing_ok: bool = False) -> str:
    """`module_source` without what binds the name; LookupError when nothing does, unless that is fine."""
    bindings = _bindings(ast.parse(module_source), name)
    if not bindings and not missing_ok:
        raise LookupError(f"the module has no definition {name!r}")
    for statement in reversed(bindings):
        module_source = _replaced(module_source, statement, "")
    return module_source


def definition(source: str, name: str) -> Definition | None:
    """The last top-level function or class of that name. SyntaxError when the source does not parse."""
    return definition_in(ast.parse(source), name)


def definition_in(tree: ast.Module, name: str) -> Definition | None:
    """The same, in a source that is parsed already."""
    last = None
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
            last = node
    return last


def definition_source(source: str, name: str) -> str:
    """Its lines, decorators included; LookupError when there is none."""
    node = definition(source, name)
    if node is None:
        raise LookupError(f"no definition {name!r}")
    return _source_of(source, node)


def first_line(node: ast.stmt) -> int:
    """The number of its first line, from 1; its decorators belong to it."""
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _fit(module_source: str, name: str, new_source: str, module: str) -> _Fit:
    answer = answer_in(parse_cell(new_source), name)
    statements = [statement for statement in answer if not isinstance(statement, Import)]
    brought: dict[str, list[ast.stmt]] = {}
    for statement in statements:
        for bound in bound_names(statement):
            brought.setdefault(bound, []).append(statement)
    if name not in brought:
        raise SpliceError(_no_definition(new_source, name))
    check_compiles(statements)
    tree = ast.parse(module_source)
    own = _bound(tree)
    bindings = {own_name: _bindings(tree, own_name) for own_name in {name, *own}}
    if not bindings[name]:
        raise LookupError(f"the module has no definition {name!r}")
    taken = {*own, *dir(builtins)}
    shared = {bound for bound in brought.keys() - {name} if _same(brought[bound], bindings.get(bound, []))}
    imports = list(missing_imports(answer, own, module))
    clashes = taken & {
        *(brought.keys() - shared - {name}),
        *(new.name for new in imports if new.name != "*" and not new.adds_to(own)),
    }
    renamed = {clash: _free_name(f"{clash}_of_{name}", {*taken, *brought}) for clash in clashes}
    renamed |= own_names(answer, module)
    old = bindings[name][-1]
    waited_for = {own_name for own_name, nodes in bindings.items() if nodes and nodes[-1].lineno > old.lineno}
    waited_for -= brought.keys() - shared
    here: list[str] = []
    end: list[str] = []
    for statement in statements:
        names = set(bound_names(statement))
        if names <= shared:
            continue
        text = _renamed(statement, _source_of(new_source, statement), renamed)
        if _is_evaluated_at_once(statement) and waited_for & used_names(statement):
            end.append(text)
            waited_for |= names
        else:
            here.append(text)
    added = {renamed.get(bound, bound) for bound in brought.keys() - shared}
    return _Fit(here, end, [new.line(renamed) for new in imports], added, shared)


def _no_definition(source: str, name: str) -> str:
    """That there is none, and what there is in its place (Turkish)."""
    definitions = [node for node in ast.walk(parse_cell(source)) if isinstance(node, Definition)]
    if any(node.name == name for node in definitions):
        return f"`{name}` tanımı başka bir bloğun içinde: satırın başından, boşluk bırakmadan başlamalı"
    others = ", ".join(f"`{node.name}`" for node in definitions[:3])
    return f"hücrede `{name}` tanımı yok" + (f"; olanlar: {others}" if others else "")


def _without(module_source: str, names: Collection[str]) -> str:
    for name in names:
        if " " not in name:
            module_source = remove(module_source, name, missing_ok=True)
    return "\n".join(line for line in module_source.split("\n") if " " not in line or line not in names)


def _bindings(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The top-level statements that bind the name, apart from imports."""
    return [node for node in tree.body if not isinstance(node, Import) and name in bound_names(node)]


def _same(some: Sequence[ast.stmt], others: Sequence[ast.stmt]) -> bool:
    """Whether it is the same code, however it is laid out."""
    return [ast.dump(node) for node in some] == [ast.dump(node) for node in others]


def _is_evaluated_at_once(statement: ast.stmt) -> bool:
    """Whether Python looks its names up when the module is imported, and not in a call."""
    if isinstance(statement, Assignment):
        return not isinstance(statement.value, ast.Lambda)
    return not isinstance(statement, Definition)


def _free_name(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _renamed(statement: ast.stmt, source: str, names: Mapping[str, str]) -> str:
    """The statement's source with these global names changed, and its comments kept where that is possible.

    SpliceError where a name is also one of the inside of a function or class.
    """
    if not names.keys() & {*bound_names(statement), *used_names(statement)}:
        return source
    for name in sorted(names.keys() & inner_names(statement)):
        raise SpliceError(TAKEN.format(name=name))
    tree = _Renamer(names).visit(ast.parse(source))
    word = "|".join(map(re.escape, names))
    text = re.sub(rf"(?<![\w.])(?:{word})(?!\w)", lambda match: names[match[0]], source)
    with suppress(SyntaxError):
        if ast.dump(ast.parse(text)) == ast.dump(tree):
            return text
    return ast.unparse(tree)  # the name is also a word of a text or a parameter's name


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Name):
            node.id = self._names.get(node.id, node.id)
        elif isinstance(node, Definition):
            node.name = self._names.get(node.name, node.name)
        elif isinstance(node, ast.alias) and (node.asname or node.name) in self._names:
            node.asname = self._names[node.asname or node.name]
        return node


def _split(source: str) -> list[str]:
    """Lines as `ast` counts them: str.splitlines would also split at a form feed."""
    return source.replace("\r\n", "\n").split("\n")


def _source_of(source: str, node: ast.stmt) -> str:
    if not isinstance(node, Definition):
        return ast.get_source_segment(source, node) or ""  # another statement may stand on the same line
    return "\n".join(_split(source)[first_line(node) - 1 : node.end_lineno])


def _replaced(source: str, node: ast.stmt, text: str) -> str:
    lines = _split(source)
    before, after = lines[: first_line(node) - 1], lines[node.end_lineno :]
    if not text:
        while before and not before[-1].strip():
            before.pop()
        return "\n".join([*before, *after])
    return "\n".join([*before, text, *after])


def _bound(tree: ast.Module) -> dict[str, Origin]:
    """The module's top-level names, those under `if` and `try` too, with their origins; ("", None) for a
    name that the module defines."""
    bound: dict[str, Origin] = {}
    pending = list(tree.body)
    while pending:
        node = pending.pop(0)
        if isinstance(node, Import):
            bound |= {new.name: (new.source, new.original) for new in imported(node)}
        elif isinstance(node, ast.If | ast.Try):
            pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
        else:
            bound |= dict.fromkeys(bound_names(node), ("", None))
    return bound
