#| odev 5.1 breaker.CircuitBreaker
# hint: tam policy.cooldown
class CircuitBreaker:
    """Remembers how the calls to one target ended, and says whether the next may go. `now` is in seconds.

    Closed until `policy.failures` calls in a row have failed. Then open: none may go for `policy.cooldown`
    seconds. Then half-open: one may go, the probe. Its answer closes the circuit; its failure opens it again.
    """

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self.policy = policy or BreakerPolicy()
        self.failures = 0  # calls in a row that failed
        self.failed_at = -math.inf  # when the last of them ended
        self.open_until: float | None = None  # the end of the cooldown; None while it is closed
        self.probe: Permit | None = None  # the probe that is under way

    def state(self, now: float) -> State:
        if self.open_until is None:
            return "closed"
        return "open" if now < self.open_until else "half_open"

    def permit(self, now: float) -> Permit | None:
        """What a call needs to go, `Permit(self, now)`; None where it may not go."""
        if self.state(now) == "open" or self.probe is not None:
            return None
        permit = Permit(self, now)
        self.probe = permit if self.open_until is not None else None
        return permit

    def take_back(self, permit: Permit, outcome: CallOutcome, now: float) -> None:
        """The permit's call has ended. While it is not closed, only the probe's outcome counts."""
        if probe := permit is self.probe:
            self.probe = None
        elif self.open_until is not None:
            return
        if outcome == "answered":
            self.failures, self.open_until = 0, None
        elif outcome == "failed":
            self.failures = failures_in_a_row(self, permit)
            self.failed_at = now
            if probe or self.failures >= self.policy.failures:
                self.open_until = permit.began + self.policy.cooldown
