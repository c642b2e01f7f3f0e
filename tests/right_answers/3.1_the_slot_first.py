#| odev 3.1 limits.quota.Reservation
class Reservation(Held):
    """Ayrılanlar."""

    def __enter__(self) -> "Reservation":
        self._window.enter(self)
        return self

    def __exit__(self, *args) -> bool:
        self.slot.end()
        self.land()
        return False

    def settle(self, used: float) -> None:
        difference = used - self.tokens
        self.tokens += difference
        if self._bucket is not None:
            self._bucket.settle(difference)
