#| odev 3.1 limits.quota.Reservation
class Reservation:
    def __init__(self, tokens, bucket, window, slots):
        self.tokens, self.landed = tokens, False
        self.slot = Slot(slots)
        self._bucket, self._window = bucket, window

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

    def land(self):
        if self.landed:
            return
        self._window.leave(self)
        self.landed = True
