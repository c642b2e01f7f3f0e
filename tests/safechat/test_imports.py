"""The rooms of the package: imports point down only, and no layer knows another one."""

from __future__ import annotations

import ast
from pathlib import Path

import safechat
from imports import cycles, imports

FOLDER = Path(safechat.__file__).parent
GRAPH = imports(FOLDER, "safechat")

# From the top: a room imports from those below it, never from its own row or from one above.
ROWS = (
    ("__main__",),
    ("cli",),
    ("rag", "adapters", "batch"),
    ("client",),
    ("layers",),
    ("keys", "cache", "budget"),
    ("fallback", "call", "limits", "retry", "deadline", "telemetry"),
    ("guard", "retry_budget"),
    ("breaker",),
    ("log",),
    ("checks",),
    ("messages",),
    ("errors",),
    ("settings",),
    ("assistant", "redact", "headers", "cost"),
    ("usage", "runtime", "shutdowns"),
)
RANKS = {room: rank for rank, row in enumerate(ROWS) for room in row}
TOP = ("safechat", "safechat.testing")  # the way in, and what tests of other programs use: above all rooms

# The wrapper imports its drop-in when somebody asks for it, and hands it no more than its dispatcher.
LATE = {"safechat.client.wrapper": {"safechat.adapters.openai"}}

LAYERS = ("log.layer", "deadline", "fallback", "retry", "limits.layer", "keys.layer", "call.layer")


def room_of(module: str) -> str:
    return module.split(".")[1]


def test_every_module_has_its_room() -> None:
    assert {room_of(module) for module in GRAPH if module not in TOP} == RANKS.keys()


def test_no_import_runs_up_or_across() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, below in GRAPH.items()
        if module not in TOP
        for imported in below - LATE.get(module, set())
        if imported in TOP
        or (room_of(module) != room_of(imported) and RANKS[room_of(imported)] <= RANKS[room_of(module)])
    ]
    assert not wrong


def test_no_imports_run_in_a_circle() -> None:
    assert not cycles(GRAPH)


def test_a_layer_knows_no_other_layer_and_no_settings() -> None:
    layers = {f"safechat.{name}" for name in LAYERS}
    assert layers <= GRAPH.keys()
    for layer in layers:
        assert not GRAPH[layer] & ((layers - {layer}) | {"safechat.settings"}), layer


def test_only_the_rooms_of_the_call_and_of_the_adapters_know_the_sdk() -> None:
    for path in FOLDER.rglob("*.py"):
        modules = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        if path.parent.name not in ("call", "adapters"):
            assert not modules & {"openai", "httpx2"}, path
