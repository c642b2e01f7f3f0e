"""The imports of an answer: what they bind, and which of them its module does not have yet.

Not here: what else an answer brings (splice.py).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from odev.course.answer import Import, SpliceError, unbound_names

Origin = tuple[str, str | None]  # the module and the name in it that an import names; None for a whole module
TAKEN = (
    "`{name}` adı paketin bu dosyasında ya da Python'da zaten var, senin hücrende ise başka bir şey: "
    "yardımcının adını değiştir."
)
# Where the same thing can be imported from, besides the package itself: `Callable`, `Mapping`.
_SAME_NAMES = {"typing", "collections"}


@dataclass(frozen=True, slots=True)
class Imported:
    """One name that an import binds. With `is_package` it binds a package and imports a module of it."""

    name: str
    source: str
    original: str | None
    is_package: bool = False

    def adds_to(self, own: Mapping[str, Origin]) -> bool:
        """Whether it imports one more module of a package that the module has already."""
        source, original = own.get(self.name, ("", ""))
        return self.is_package and original is None and _root(source) == self.name

    def line(self, renamed: Mapping[str, str]) -> str:
        name = renamed.get(self.name, self.name)
        if self.original is not None:
            renaming = f" as {name}" if name != self.original else ""
            return f"from {self.source} import {self.original}{renaming}"
        if self.is_package and name != self.name:
            raise SpliceError(TAKEN.format(name=self.name))
        is_plain = self.is_package or name == self.source
        return f"import {self.source}" if is_plain else f"import {self.source} as {name}"


def imported(node: Import) -> Iterator[Imported]:
    for alias in node.names:
        if isinstance(node, ast.Import):
            is_package = alias.asname is None and "." in alias.name
            yield Imported(alias.asname or _root(alias.name), alias.name, None, is_package)
        else:
            source = "." * node.level + (node.module or "")
            yield Imported(alias.asname or alias.name, source, alias.name)


def missing_imports(answer: Sequence[ast.stmt], own: Mapping[str, Origin], module: str) -> Iterator[Imported]:
    """The answer's imports whose names the module does not have, or has with another meaning, and those
    of `*` where the answer needs one."""
    needs_all = bool(unbound_names(answer) - own.keys())
    for node in answer:
        for new in imported(node) if isinstance(node, Import) else ():
            if new.source in ("__future__", module) and new.original is not None:
                continue
            if _root(new.source) == "odev" or (new.name == "*" and not needs_all):
                continue
            if new.name not in own or not _is_the_same(new, *own[new.name], module):
                yield new


def own_names(answer: Sequence[ast.stmt], module: str) -> dict[str, str]:
    """What the answer imports from its own module under another name, with the module's name for it."""
    return {
        new.name: new.original
        for node in answer
        for new in (imported(node) if isinstance(node, Import) else ())
        if new.source == module and new.original not in (None, new.name)
    }


def _is_the_same(new: Imported, source: str, original: str | None, module: str) -> bool:
    """Whether the import binds what the module has by that name, which comes from `source`."""
    if new.original is None or (source and original is None):
        is_its_package = new.source == new.name == _root(source)
        return original is None and new.original is None and (new.source == source or is_its_package)
    same_place = _root(new.source) in {_root(module), _root(source), *_SAME_NAMES}
    return same_place and new.original == (original or new.name)


def _root(module: str) -> str:
    return module.partition(".")[0]


def with_imports(source: str, imports: list[str]) -> str:
    """The source with these lines after its last top-level import, else after its docstring."""
    if not imports:
        return source
    body = ast.parse(source).body
    lines = source.split("\n")
    at = max((node.end_lineno or 0 for node in body if isinstance(node, Import)), default=0)
    if not at and body and ast.get_docstring(ast.Module(body, [])) is not None:
        at = body[0].end_lineno or 0
    return "\n".join([*lines[:at], *dict.fromkeys(imports), *lines[at:]])
