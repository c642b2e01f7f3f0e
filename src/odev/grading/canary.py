"""Tests that must fail. If one passes, the code under test has changed pytest or Python itself.

They run last in a grading process, after the code under test. Each run has a file of its
own, in which they have other names, so that no code can know them. The project's own
test run does not collect them: this file's name does not begin with `test_`.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

from odev.grading.inside import WATCH

_NAME = re.compile(r"\btest_canary_\w+")


def write_canaries(folder: Path) -> tuple[Path, frozenset[str]]:
    """A file in this folder with the canaries under random names, and these names."""
    names: dict[str, str] = {}

    def random_name(match: re.Match[str]) -> str:
        return names.setdefault(match[0], f"test_{secrets.token_hex(8)}")

    text = _NAME.sub(random_name, Path(__file__).read_text(encoding="utf-8"))
    path = folder / f"test_{secrets.token_hex(8)}.py"
    path.write_text(text, encoding="utf-8")
    return path, frozenset(names.values())


def test_canary_a_false_assertion() -> None:
    assert len("") == 1


def test_canary_two_numbers() -> None:
    assert len("1") == 2


def test_canary_an_error() -> None:
    raise LookupError("a test that raises fails")


def test_canary_an_error_that_does_not_come() -> None:
    with pytest.raises(LookupError):
        pass


def test_canary_a_number_that_is_a_text() -> None:
    assert isinstance(1, str)


def test_canary_an_object_equal_to_everything(request: pytest.FixtureRequest) -> None:
    watch = request.config.pluginmanager.get_plugin(WATCH)
    assert watch is not None
    assert watch.equal_to_everything()
