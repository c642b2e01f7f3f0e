"""The retry budget, on a clock that is an argument."""

from __future__ import annotations

from safechat.retry_budget import RetryBudget


def taken(budget: RetryBudget, now: float) -> int:
    """How many retries are left at `now`: all of them are taken out."""
    count = 0
    while budget.take(now):
        count += 1
    return count


def test_it_is_a_share_of_the_calls_and_a_floor() -> None:
    budget = RetryBudget(share=0.2, floor=1, window=10)
    for _ in range(100):
        budget.called(0.5)
    assert taken(budget, 0.5) == 30


def test_a_program_that_never_called_before_has_the_floor() -> None:
    assert taken(RetryBudget(share=0.2, floor=1, window=10), 7) == 10


def test_calls_and_retries_count_for_ten_seconds() -> None:
    budget = RetryBudget(share=0.5, floor=1, window=10)
    for second in range(10):
        budget.called(second)
    assert taken(budget, 9) == 15
    assert taken(budget, 18.9) == 0
    assert taken(budget, 19) == 10, "the calls are forgotten, and the retries too"


def test_it_keeps_no_more_than_its_window() -> None:
    budget = RetryBudget(window=10)
    for tenth in range(10_000):
        budget.called(tenth / 10)
    assert len(budget._counts) <= 11
