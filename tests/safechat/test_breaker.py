"""The circuit breaker, on a clock that is an argument."""

from __future__ import annotations

from typing import Any

import pytest

from safechat import BreakerPolicy
from safechat.breaker import CircuitBreaker, Permit, refuses_for


def permitted(breaker: CircuitBreaker, now: float) -> Permit:
    permit = breaker.permit(now)
    assert permit is not None
    return permit


def test_it_opens_after_failures_in_a_row_within_the_window() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failures=3, window=10, cooldown=5))
    for time in (0, 1):
        permitted(breaker, time).failed(time)
    permitted(breaker, 1).answered(1)
    for time in (2, 3):
        permitted(breaker, time).failed(time)
    assert breaker.state(3) == "closed", "an answer came in between"
    permitted(breaker, 14).failed(14)
    assert breaker.state(14) == "closed", "not within the window"
    permitted(breaker, 14).failed(14)
    permitted(breaker, 15).failed(15)
    assert breaker.state(15) == "open"


def test_it_lets_one_probe_through_and_its_outcome_decides() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failures=1, cooldown=5))
    late, failing = permitted(breaker, 0), permitted(breaker, 0)
    permitted(breaker, 0).failed(0)
    assert breaker.permit(4.9) is None
    assert refuses_for(breaker, 4) == 1
    with permitted(breaker, 5) as probe:
        assert breaker.permit(5) is None, "one probe only"
        probe.failed(6)
    assert breaker.permit(10.9) is None
    probe = permitted(breaker, 11)
    with late:
        late.answered(11)  # a call that began before the circuit opened
    assert breaker.permit(11) is None, "still one probe only"
    failing.failed(11)
    assert breaker.state(11) == "half_open", "nor does such a call's failure count"
    probe.answered(11)
    assert breaker.state(11) == "closed"
    assert breaker.permit(11) is not None


def test_a_probe_that_ends_without_an_outcome_makes_room_for_another() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failures=1, cooldown=5))
    permitted(breaker, 0).failed(0)
    with pytest.raises(LookupError):
        with permitted(breaker, 5):
            raise LookupError
    assert breaker.state(5) == "half_open"
    assert breaker.permit(5) is not None


def test_the_time_that_a_failed_call_took_is_no_time_in_which_failures_are_forgotten() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failures=3, window=10))
    for began in (0, 20, 40):
        permitted(breaker, began).failed(began + 20)
    assert breaker.state(60) == "open"


def test_a_refusal_always_says_how_long_to_wait() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failures=1, cooldown=5))
    assert refuses_for(breaker, 0) == 0
    permitted(breaker, 0).failed(0)
    assert refuses_for(breaker, 5 - 1e-9) > 0
    assert refuses_for(breaker, 5) == 0, "the next call is the probe"
    with permitted(breaker, 5):
        assert breaker.permit(30) is None
        assert refuses_for(breaker, 30) == 5


def test_a_probe_that_begins_to_answer_closes_the_circuit_and_counts_as_any_call_from_then_on() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failures=2, cooldown=5))
    for _ in range(2):
        permitted(breaker, 0).failed(0)
    probe = permitted(breaker, 5)
    probe.begins_to_answer(6)
    assert breaker.state(6) == "closed"
    probe.failed(7)
    assert breaker.state(7) == "closed"
    permitted(breaker, 7).failed(8)
    assert breaker.state(8) == "open"


def test_streams_that_begin_well_and_always_break_open_the_circuit() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failures=2))
    for now in (0, 1):
        stream = permitted(breaker, now)
        stream.begins_to_answer(now)
        stream.failed(now)
    assert breaker.state(1) == "open"


@pytest.mark.parametrize(
    ("policy", "kind"),
    [
        ({"failures": 0}, ValueError),
        ({"failures": 1.5}, TypeError),
        ({"window": 0}, ValueError),
        ({"cooldown": "x"}, TypeError),
    ],
)
def test_a_wrong_policy_is_refused_by_name(policy: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind, match=next(iter(policy))):
        BreakerPolicy(**policy)
