"""Puts a definition into a module's source in place of the one that is there, and nothing else.

The lines of the old top-level definition go, those of the new one come; every
other line stays as it was. What stands beside the definition in the new source:

- an import whose name the module does not have yet is added to its imports. A
  name that the module has stays as it is, and `from __future__`, the course tool
  and the module itself are never imported. A name that one of the two imports as
  a module, and the other from a module, is a SpliceError.
- a function or class that the module does not have yet is added before the
  definition. One that it has stays as it is, unless `replacing` names it.
- nothing else is taken: no calls, no assignments, no tests of the student's own.

Not here: cells and tags (cells.py), whether the result works (grading/).
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Import = ast.Import | ast.ImportFrom


class SpliceError(Exception):
    """The new source cannot take the definition's place; the message is Turkish, for its author."""


def splice(
    module_source: str,
    name: str,
    new_source: str,
    *,
    module: str = "",
    replacing: Collection[str] = (),
) -> str:
    """`module_source` with `name` as `new_source` defines it.

    `module` is the module's full name. SpliceError when the new source does not
    parse or does not define `name`; LookupError when the module does not.
    """
    new = parse_cell(new_source)
    wanted = definition_in(new, name)
    if wanted is None:
        raise SpliceError(f"hücrede `{name}` tanımı yok")
    for helper in replacing:
        module_source = remove(module_source, helper, missing_ok=True)
    tree = ast.parse(module_source)
    old = definition_in(tree, name)
    if old is None:
        raise LookupError(f"the module has no definition {name!r}")
    own = _bound(tree)
    beside = [node for node in new.body if isinstance(node, Definition) and node.name not in {name, *own}]
    pieces = [_source_of(new_source, node) for node in _last_of_each(beside)]
    text = _replaced(module_source, old, "\n\n\n".join([*pieces, _source_of(new_source, wanted)]))
    return _with_imports(text, list(_missing_imports(new, own, module)))


def remove(module_source: str, name: str, *, missing_ok: bool = False) -> str:
    """`module_source` without the definition; LookupError when there is none, unless that is fine."""
    old = definition(module_source, name)
    if old is None:
        if missing_ok:
            return module_source
        raise LookupError(f"the module has no definition {name!r}")
    return _replaced(module_source, old, "")


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


def helpers(module_source: str, name: str, new_source: str) -> list[str]:
    """The names that `splice` would add to the module beside `name`."""
    own = _bound(ast.parse(module_source))
    nodes = [node for node in parse_cell(new_source).body if isinstance(node, Definition)]
    return sorted({node.name for node in nodes} - set(own) - {name})


def first_line(node: ast.stmt) -> int:
    """The number of its first line, from 1; its decorators belong to it."""
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def parse_cell(source: str) -> ast.Module:
    """The cell's syntax tree. SpliceError for whatever Python cannot read."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        place = f" ({error.lineno}. satır)" if error.lineno else ""
        raise SpliceError(f"Python bu hücreyi okuyamıyor{place}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte, brackets without end
        raise SpliceError(f"Python bu hücreyi okuyamıyor: {error}") from None


def _last_of_each(nodes: list[Definition]) -> list[Definition]:
    """Without the definitions that a later one of the same name replaces."""
    last = {node.name: node for node in nodes}
    return [node for node in nodes if last[node.name] is node]


def _split(source: str) -> list[str]:
    """Lines as `ast` counts them: str.splitlines would also split at a form feed."""
    return source.replace("\r\n", "\n").split("\n")


def _source_of(source: str, node: ast.stmt) -> str:
    return "\n".join(_split(source)[first_line(node) - 1 : node.end_lineno])


def _replaced(source: str, node: ast.stmt, text: str) -> str:
    lines = _split(source)
    before, after = lines[: first_line(node) - 1], lines[node.end_lineno :]
    if not text:
        while before and not before[-1].strip():
            before.pop()
        return "\n".join([*before, *after])
    return "\n".join([*before, text, *after])


def _bound(tree: ast.Module) -> dict[str, tuple[str, str | None]]:
    """The module's top-level names, those under `if` and `try` too.

    The value is the name's origin: the module and the name in it that an import names; ("", None) for a
    name that the module defines.
    """
    bound: dict[str, tuple[str, str | None]] = {}
    pending = list(tree.body)
    while pending:
        node = pending.pop(0)
        if isinstance(node, Definition):
            bound[node.name] = ("", None)
        elif isinstance(node, Import):
            bound |= {name: origin for name, origin, _ in _imported_names(node)}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            bound |= dict.fromkeys(_assigned(node), ("", None))
        elif isinstance(node, ast.If | ast.Try):
            pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return bound


def _assigned(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id


def _imported_names(node: Import) -> Iterator[tuple[str, tuple[str, str | None], str]]:
    """For each name that an import binds: the name, its origin, and the line that imports it alone."""
    for alias in node.names:
        renamed = f" as {alias.asname}" if alias.asname else ""
        if isinstance(node, ast.Import):
            name = alias.asname or alias.name.partition(".")[0]
            yield name, (alias.name, None), f"import {alias.name}{renamed}"
        else:
            source = "." * node.level + (node.module or "")
            name = alias.asname or alias.name
            yield name, (source, alias.name), f"from {source} import {alias.name}{renamed}"


def _missing_imports(new: ast.Module, own: dict[str, tuple[str, str | None]], module: str) -> Iterator[str]:
    for node in new.body:
        if not isinstance(node, Import):
            continue
        for name, (source, original), line in _imported_names(node):
            if source in ("__future__", module) or source.partition(".")[0] == "odev" or name == "*":
                continue
            if name not in own:
                yield line
            elif (own[name][1] is None) != (original is None) and own[name][0]:
                raise SpliceError(
                    f"`{line}`: bu modülde `{name}` adı zaten başka bir import'un. "
                    "Import'u fonksiyonun içine yaz ya da başka bir ad ver (`as`)"
                )


def _with_imports(source: str, imports: list[str]) -> str:
    """The source with these lines after its last top-level import, else after its docstring."""
    if not imports:
        return source
    body = ast.parse(source).body
    lines = _split(source)
    at = max((node.end_lineno or 0 for node in body if isinstance(node, Import)), default=0)
    if not at and body and ast.get_docstring(ast.Module(body, [])) is not None:
        at = body[0].end_lineno or 0
    return "\n".join([*lines[:at], *dict.fromkeys(imports), *lines[at:]])
