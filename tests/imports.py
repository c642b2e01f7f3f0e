"""Which modules of a package import which, read from the source: nothing is imported to find out."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path


def imports(package_folder: Path, package: str) -> dict[str, set[str]]:
    """For each module of the package in this folder, the modules of the same package that it imports.

    A package's own name stands for its `__init__`. Imports in functions and under TYPE_CHECKING count.
    `from package.a import b` is an import of `package.a.b` where that is a module, else of `package.a`.
    """
    paths = {_module(path, package_folder, package): path for path in package_folder.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for module, path in sorted(paths.items()):
        parent = module if path.name == "__init__.py" else module.rpartition(".")[0]
        names = set(_imported(ast.parse(path.read_text(encoding="utf-8")), parent))
        graph[module] = {_nearest(name, paths.keys()) for name in names} - {"", module}
    return graph


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Chains of imports that end where they begin, as ["a", "b", "a"]; no module stands in two of them."""
    chains: list[list[str]] = []
    for module in sorted(graph):
        if not any(module in chain for chain in chains):
            chain = _shortest_way_back(graph, module)
            if chain:
                chains.append(chain)
    return chains


def _module(path: Path, folder: Path, package: str) -> str:
    parts = [package, *path.relative_to(folder).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.Module, parent: str) -> Iterator[str]:
    """The full dotted names; `parent` is the package that a relative import starts from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parent.split(".")[: len(parent.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _nearest(name: str, modules: Collection[str]) -> str:
    """The module that holds the name; empty for a name of another package."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def _shortest_way_back(graph: dict[str, set[str]], start: str) -> list[str]:
    ways = deque([[start]])
    visited: set[str] = set()
    while ways:
        way = ways.popleft()
        for module in sorted(graph.get(way[-1], ())):
            if module == start:
                return [*way, start]
            if module not in visited:
                visited.add(module)
                ways.append([*way, module])
    return []
