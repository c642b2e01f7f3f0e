"""What a program imports: public names are where they were, and no optional package is loaded."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import safechat

PUBLIC = {
    "safechat.batch": ["Batch", "BatchStatus", "run"],
    "safechat.keys": ["AppRole", "EnvKeys", "Key", "KeySource", "Token", "VaultKeys"],
    "safechat.log": ["configure_logging", "log_context"],
    "safechat.testing": ["ScriptedClient", "ScriptedHandler", "no_waiting"],
    "safechat.errors": ["ChatError", "KeyUnavailable", "VaultSealed"],
}
OPTIONAL = ("hvac", "typer", "rich", "opentelemetry", "pytest", "genai_prices", "stdnum", "odev", "redis")


@pytest.mark.parametrize("module", PUBLIC)
def test_a_public_module_gives_its_names(module: str) -> None:
    imported = importlib.import_module(module)
    assert [name for name in PUBLIC[module] if not hasattr(imported, name)] == []


def test_the_package_gives_every_name_that_it_lists() -> None:
    assert [name for name in safechat.__all__ if not hasattr(safechat, name)] == []


def test_importing_the_public_modules_loads_no_optional_package() -> None:
    program = (
        f"import sys, {', '.join(PUBLIC)}; print([name for name in {OPTIONAL!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout == "[]\n"
