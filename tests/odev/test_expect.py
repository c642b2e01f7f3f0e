"""What the steps' tests compare with cannot be told a lie by an object of a student's own."""

from __future__ import annotations

import re

import pytest

from expect import expect, pass_on_crash


class Any(str):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        ("a", "b"),
        (Any("a"), "a"),
        (True, 1),
        (1.0, 1),
        ([1], (1,)),
        ((1, Any("a")), (1, "a")),
        ({"a": Any("b")}, {"a": "b"}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1], [1, 2]),
    ],
    ids=repr,
)
def test_what_is_not_exactly_the_same_fails(came: object, expected: object) -> None:
    with pytest.raises(AssertionError):
        expect("f()", came, expected)


@pytest.mark.parametrize("value", [None, "a", (1, [2, {"a": "b"}]), int], ids=repr)
def test_what_is_exactly_the_same_passes(value: object) -> None:
    expect("f()", value, value)


def test_the_message_says_what_came_and_what_was_expected() -> None:
    with pytest.raises(AssertionError, match=re.escape("f(1) → 2; beklenen: 3")):
        expect("f(1)", 2, 3)
    with pytest.raises(AssertionError, match=re.escape("f(1) → 'a' (Any); beklenen: 'a'")):
        expect("f(1)", Any("a"), "a")


def test_of_long_values_the_message_shows_where_they_begin_to_differ() -> None:
    came, expected = [*range(500)], [*range(500)]
    came[300] = -1
    with pytest.raises(AssertionError) as failed:
        expect("f()", came, expected)
    shown, _, wanted = str(failed.value).partition("; beklenen: ")
    assert "299, -1, 301" in shown
    assert "299, 300, 301" in wanted
    assert len(str(failed.value)) < 300


def slips(word: object) -> object:
    return word.upper  # type: ignore[attr-defined]


def error_of(source: str, **names: object) -> Exception:
    """What a line of an answer raises."""
    try:
        exec(compile(source, "src/safechat/answer.py", "exec"), names)
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def test_a_crash_of_the_answer_is_no_answer() -> None:
    for line in ("nowhere()", "None.kind", "{}['kind']", "len()", "raise NotImplementedError"):
        with pytest.raises((LookupError, NameError, TypeError, AttributeError, NotImplementedError)):
            pass_on_crash(error_of(line))


def test_an_error_that_is_an_answer_or_comes_from_the_test_is_looked_at() -> None:
    pass_on_crash(error_of("raise ValueError"))
    pass_on_crash(error_of("slips(None)", slips=slips))


def test_a_text_that_only_looks_like_the_value_has_its_type() -> None:
    with pytest.raises(AssertionError, match=r"\(str\); beklenen: \{'a': 1\}"):
        expect("f()", str({"a": 1}), {"a": 1})
