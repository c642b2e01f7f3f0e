#| odev 5.1 breaker.CircuitBreaker
class CircuitBreaker:
    def __init__(self, policy=None):
        self.policy = policy or BreakerPolicy()
        self.times: list[float] = []
        self.open_until = None
        self.probe = None

    @property
    def failures(self):
        return len(self.times)

    def state(self, now):
        match self.open_until:
            case None:
                return "closed"
            case until if until > now:
                return "open"
        return "half_open"

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
        is_probe, closed = permit is self.probe, self.open_until is None
        self.probe = None if is_probe else self.probe
        match outcome:
            case "answered" if is_probe or closed:
                self.times.clear()
                self.open_until = None
            case "failed" if is_probe or closed:
                if self.times and permit.began - self.times[-1] > self.policy.window:
                    self.times.clear()
                self.times.append(now)
                if is_probe or len(self.times) >= self.policy.failures:
                    self.open_until = now + self.policy.cooldown
