#| odev 5.1 breaker.CircuitBreaker
class CircuitBreaker(Circuit):
    def permit(self, now):
        match self.state(now), self.probe:
            case "closed", None:
                return Permit(self, now)
            case "half_open", None:
                self.probe = Permit(self, now)
                return self.probe
            case _:
                return None

    def take_back(self, permit, outcome, now):
        is_probe = permit is self.probe
        self.probe = None if is_probe else self.probe
        match outcome:
            case "answered":
                self.failures = 0
                self.open_until = None
            case "failed" if is_probe:
                self.open_until = now + self.policy.cooldown
            case "failed" if self.count_failure(permit, now) >= self.policy.failures:
                self.open_until = now + self.policy.cooldown
