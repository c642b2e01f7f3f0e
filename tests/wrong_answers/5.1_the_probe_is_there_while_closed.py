#| odev 5.1 breaker.CircuitBreaker
# hint: Kapalıyken verilen izin
class CircuitBreaker(Circuit):
    """Remembers how the calls to one target ended, and says whether the next may go. `now` is in seconds.

    Closed until `policy.failures` calls in a row have failed. Then open: none may go for `policy.cooldown`
    seconds. Then half-open: one may go, the probe. Its answer closes the circuit; its failure opens it again.
    """

    def permit(self, now: float) -> Permit | None:
        """What a call needs to go, `Permit(self, now)`; None where it may not go."""
        state = self.state(now)
        if state == "open" or (state == "half_open" and self.probe is not None):
            return None
        permit = Permit(self, now)
        self.probe = permit
        return permit

    def take_back(self, permit: Permit, outcome: CallOutcome, now: float) -> None:
        """A call that counts has ended: the probe, or any while the circuit is closed."""
        is_probe = permit is self.probe
        self.probe = None
        if outcome == "answered":
            self.failures, self.open_until = 0, None
        elif outcome == "failed":
            failures = self.count_failure(permit, now)
            if is_probe or failures >= self.policy.failures:
                self.open_until = now + self.policy.cooldown
