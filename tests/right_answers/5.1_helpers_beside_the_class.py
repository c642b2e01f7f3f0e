#| odev 5.1 breaker.CircuitBreaker
from math import inf


def eskidi(breaker, permit):
    return permit.began > breaker.failed_at + breaker.policy.window


def ac(breaker, now):
    breaker.open_until = now + breaker.policy.cooldown


class CircuitBreaker:
    """Closed, open, half-open."""

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self.policy = BreakerPolicy() if policy is None else policy
        self.failures, self.failed_at = 0, -inf
        self.open_until: float | None = None
        self.probe: Permit | None = None

    def state(self, now: float) -> State:
        return "closed" if self.open_until is None else ("half_open", "open")[now < self.open_until]

    def permit(self, now: float) -> Permit | None:
        if self.probe or self.state(now) == "open":
            return None
        izin = Permit(self, now)
        if self.open_until is not None:
            self.probe = izin
        return izin

    def take_back(self, permit: Permit, outcome: CallOutcome, now: float) -> None:
        if permit is self.probe:
            self.probe = None
            if outcome == "answered":
                self.failures, self.open_until = 0, None
            if outcome == "failed":
                ac(self, now)
        elif self.open_until is None:
            if outcome == "answered":
                self.failures = 0
            if outcome == "failed":
                self.failures = 1 if eskidi(self, permit) else self.failures + 1
                self.failed_at = now
                if self.failures == self.policy.failures:
                    ac(self, now)
