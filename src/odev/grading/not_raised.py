"""The call in a test's `with pytest.raises(…):` that raised nothing, as one would write it.

    with pytest.raises(EmptyReply):
        read_reply(answer, REQUEST)      →  read_reply({'choices': []}, REQUEST)

pytest says no more than that nothing was raised. Not here: the sentence (wording.py).
"""

from __future__ import annotations

import ast
import linecache
import reprlib
import traceback
from types import FrameType

import pytest

_LONGEST = 60  # characters of a value that takes the place of its name


def call_that_raised_nothing(error: BaseException, test_file: str) -> str:
    """Empty for any other error, and where the block is not one simple call."""
    if not isinstance(error, pytest.fail.Exception) or not str(error.msg).startswith("DID NOT RAISE"):
        return ""
    places = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == test_file
    ]
    if not places:
        return ""
    frame, line = places[-1]
    for node in ast.walk(ast.parse("".join(linecache.getlines(test_file)))):
        if isinstance(node, ast.With) and node.lineno <= line <= (node.end_lineno or 0):
            last = node.body[-1]
            if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
                return ast.unparse(_Values(frame).visit(last.value))
    return ""


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
