"""Names things in a cell that no task needs and that reach beyond the task: a reason to look, no verdict.

What the task's own module uses in src is not named. It is cheap to see and cheap to
hide; what counts is what the tests see. Not here: what costs points (grader.py).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from odev.course.answer import Import

_MODULES = {
    "sys", "os", "gc", "inspect", "importlib", "subprocess", "atexit", "ctypes", "builtins",
    "multiprocessing", "signal", "traceback", "linecache", "pathlib", "shutil", "socket", "psutil",
}  # fmt: skip
_CALLS = {"exec", "eval", "compile", "open", "__import__", "globals", "breakpoint"}
_ATTRIBUTES = {
    "f_back", "f_locals", "f_globals", "tb_frame", "gi_frame", "cr_frame", "_getframe", "__subclasses__",
    "__globals__", "__code__", "__builtins__", "__closure__",
}  # fmt: skip
_METHODS = {"__eq__", "__ne__", "__class__", "__instancecheck__", "__subclasscheck__"}
_NOTE = "{things} kullanılıyor: bu görev için gerekmez, öğretmen bakacak (puan düşürmez)"
_TEST_TOOLS = {"pytest", "unittest", "doctest"}
_TRIALS = "{tools}: kendi denemelerin sınanmadı ve paketine girmedi (puan düşürmez)"


def unusual_things(cell: str, module: str) -> tuple[str, ...]:
    """A Turkish note on what is unusual in the cell and not in the source of its module; or nothing."""
    things = sorted(set(_things(ast.parse(cell))) - set(_things(ast.parse(module))))
    return (_NOTE.format(things=", ".join(f"`{thing}`" for thing in things)),) if things else ()


def own_trials(cell: str) -> tuple[str, ...]:
    """A Turkish note on the test tools that the cell imports; or nothing."""
    imports = [node for node in ast.parse(cell).body if isinstance(node, Import)]
    modules = {name.partition(".")[0] for node in imports for name in _imported_modules(node)}
    tools = sorted(modules & _TEST_TOOLS)
    return (_TRIALS.format(tools=", ".join(f"`{tool}`" for tool in tools)),) if tools else ()


def _imported_modules(node: Import) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""]


def _things(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from {alias.name.partition(".")[0] for alias in node.names} & _MODULES
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from {(node.module or "").partition(".")[0]} & _MODULES
        elif isinstance(node, ast.Name):
            yield from {node.id} & (_CALLS | _METHODS)
        elif isinstance(node, ast.Attribute):
            yield from {node.attr} & _ATTRIBUTES
        elif isinstance(node, ast.FunctionDef):
            yield from {node.name} & _METHODS
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from {node.value} & (_METHODS | _ATTRIBUTES)
