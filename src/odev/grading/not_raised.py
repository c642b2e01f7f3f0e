"""The call in a test that raised nothing, another error, or an error where none was awaited, as one would
write it.

    with pytest.raises(EmptyReply):
        read_reply(answer, REQUEST)      →  read_reply({'choices': []}, REQUEST)

pytest says no more than that nothing was raised, or the other error. Not here: the sentence
(wording.py).
"""

from __future__ import annotations

import ast
import linecache
import reprlib
import traceback
from types import FrameType

import pytest

_LONGEST = 60  # characters of a value that takes the place of its name


def unmet(error: BaseException, test_file: str, package: str) -> dict[str, str]:
    """The `raises_call`, and the name of the `awaited` class where another error of the package's own came.
    The call is empty where the block is not one simple call. Without a `pytest.raises` around it, it is the
    package's function that let its own error through. Nothing for any other error."""
    is_silent = isinstance(error, pytest.fail.Exception) and str(error.msg).startswith("DID NOT RAISE")
    if not is_silent and not is_of(package, error):
        return {}
    tree = ast.parse("".join(linecache.getlines(test_file)))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
    frames = list(traceback.walk_tb(error.__traceback__))
    for frame, line in reversed(frames):
        if frame.f_code.co_filename != test_file:
            continue
        for block in blocks:
            last, awaited = block.body[-1], _awaited(block)
            if not (block.lineno <= line <= (block.end_lineno or 0) and awaited):
                continue
            call = ""
            if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
                call = ast.unparse(_Values(frame).visit(last.value))
            return {"raises_call": call, "awaited": "" if is_silent else awaited}
    own = [frame for frame, _ in frames if str(frame.f_globals.get("__name__")).startswith(f"{package}.")]
    if is_silent or not own:
        return {}
    return {"raises_call": f"{own[0].f_code.co_qualname}(…)", "awaited": ""}


def _awaited(block: ast.With) -> str:
    """The class in `pytest.raises(errors.EmptyReply)`, by its own name."""
    for call in (item.context_expr for item in block.items):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.raises" and call.args:
            return ast.unparse(call.args[0]).rpartition(".")[2]
    return ""


def is_of(package: str, error: BaseException) -> bool:
    """Whether the package itself defines this error's class."""
    return type(error).__module__.partition(".")[0] == package


class _Values(ast.NodeTransformer):
    """Puts short values of arguments in place of their names."""

    def __init__(self, frame: FrameType) -> None:
        self._names = frame.f_locals

    def visit_Call(self, node: ast.Call) -> ast.Call:
        node.args = [self.visit(argument) for argument in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self._names:
            return node
        value = reprlib.repr(self._names[node.id])
        is_plain = len(value) <= _LONGEST and " at 0x" not in value
        return ast.Name(value) if is_plain else node
