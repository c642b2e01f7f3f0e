"""What every test gets: no keys in the environment, no way to the network, an asyncio loop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from network import loopback_only


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "SAFECHAT_", "VAULT_", "BAO_", "AZURE_", "ODEV_", "LLMOCK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback_only(monkeypatch)
