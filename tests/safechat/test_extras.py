"""What an adapter says where its framework is not installed. .ci/minimal.py asks all extras for that."""

from __future__ import annotations

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("extra", "module"), [("langchain", "langchain_core"), ("llamaindex", "llama_index")]
)
def test_an_adapter_names_the_extra_that_is_missing_in_one_line(
    extra: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"safechat.adapters.{extra}", raising=False)
    line = rf"^\w+ needs its extra: pip install 'safechat\[{extra}\]'$"
    with pytest.raises(ModuleNotFoundError, match=line):
        importlib.import_module(f"safechat.adapters.{extra}")
