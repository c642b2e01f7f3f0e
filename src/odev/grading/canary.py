"""Tests that must fail. If one passes, the code under test has changed pytest or Python itself.

They run last in a grading process, after the code under test. The project's own
test run does not collect them: the file's name does not begin with `test_`.
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
