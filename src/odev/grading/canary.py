"""Tests that must fail. One that passes shows that pytest, or Python, is no longer what it was.

They run last in a grading process, after the code under test had its say. Not
collected by the project's own test run: the file's name is no test's.
"""

from __future__ import annotations

import pytest

from odev.grading.inside import WATCH

NAMES = (
    "test_canary_a_false_assertion",
    "test_canary_two_numbers",
    "test_canary_an_error",
    "test_canary_an_error_that_does_not_come",
    "test_canary_a_number_that_is_a_text",
    "test_canary_an_object_equal_to_everything",
)


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
