#| odev 5.1 breaker.CircuitBreaker
def ac(breaker, now):
    breaker.open_until = now + breaker.policy.cooldown


def kapat(breaker):
    breaker.failures, breaker.open_until = 0, None


class CircuitBreaker(Circuit):
    """Closed, open, half-open."""

    def permit(self, now: float) -> Permit | None:
        if self.probe or self.state(now) == "open":
            return None
        izin = Permit(self, now)
        if self.open_until is not None:
            self.probe = izin
        return izin

    def take_back(self, permit: Permit, outcome: CallOutcome, now: float) -> None:
        if outcome == "answered":
            kapat(self)
        if outcome == "failed" and (self.count_failure(permit, now) >= self.policy.failures or self.probe):
            ac(self, now)
        self.probe = None
