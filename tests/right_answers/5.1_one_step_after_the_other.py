#| odev 5.1 breaker.CircuitBreaker
class CircuitBreaker(Circuit):
    """Önce durumu soran, sonra sonuca bakan öğrenci."""

    def permit(self, now):
        durum = self.state(now)
        if durum == "open":
            return None
        if durum == "closed":
            return Permit(self, now)
        if self.probe is None:
            self.probe = Permit(self, now)
            return self.probe
        return None

    def take_back(self, permit, outcome, now):
        deneme = self.probe is permit
        if deneme:
            self.probe = None
        if outcome == "unknown":
            return
        if outcome == "answered":
            self.open_until = None
            self.failures = 0
            return
        self.count_failure(permit, now)
        if deneme or self.failures >= self.policy.failures:
            self._ac(now)

    def _ac(self, now):
        self.open_until = now + self.policy.cooldown
