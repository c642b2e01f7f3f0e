#| odev 5.1 breaker.CircuitBreaker
class CircuitBreaker:
    """Devreyi üç adımda düşünen öğrenci: önce durum, sonra sonuç."""

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self.policy = policy or BreakerPolicy()
        self.failures = 0
        self.failed_at = -math.inf
        self.open_until: float | None = None
        self.probe: Permit | None = None

    def state(self, now):
        if self.open_until is None:
            durum = "closed"
        elif now >= self.open_until:
            durum = "half_open"
        else:
            durum = "open"
        return durum

    def permit(self, now):
        durum = self.state(now)
        if durum == "closed":
            return Permit(self, now)
        if durum == "half_open" and self.probe is None:
            self.probe = Permit(self, now)
            return self.probe
        return None

    def take_back(self, permit, outcome, now):
        deneme = self.probe is permit
        if deneme:
            self.probe = None
        if self.open_until is not None and not deneme:
            return None
        if outcome == "unknown":
            return None
        if outcome == "answered":
            self._kapat()
        else:
            self._say(permit, now)
            if deneme or self.failures >= self.policy.failures:
                self._ac(now)
        return None

    def _kapat(self):
        self.open_until = None
        self.failures = 0

    def _ac(self, now):
        self.open_until = now + self.policy.cooldown

    def _say(self, permit, now):
        if permit.began - self.failed_at > self.policy.window:
            self.failures = 0
        self.failures += 1
        self.failed_at = now
