"""A module as Windows imports it: a second copy, with the platform's own calls replaced by a test's.

Not here: what each module promises there.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest


def on_windows(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, **platform_modules: ModuleType | None
) -> ModuleType:
    """The copy. `platform_modules` are those of Python that only Windows has; None for one that it lacks."""
    assert module.__file__ is not None
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_on_windows", module.__file__)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    for name, platform_module in platform_modules.items():
        monkeypatch.setitem(sys.modules, name, platform_module)
    with monkeypatch.context() as importing:
        importing.setattr(sys, "platform", "win32")
        spec.loader.exec_module(copy)
    return copy
