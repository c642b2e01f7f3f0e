#| odev 3.1 limits.quota.Reservation
class Reservation(Held):
    def __enter__(self):
        self._window.enter(self)
        return self

    def __exit__(self, tür, hata, iz):
        try:
            self.land()
        finally:
            self.slot.end()

    def settle(self, used):
        ayrılan, self.tokens = self.tokens, used
        if self._bucket:
            self._bucket.settle(used - ayrılan)
