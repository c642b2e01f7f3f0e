#| odev 3.1 limits.quota.Reservation
class Reservation:
    """Ayrılanlar."""

    def __init__(self, tokens: float, bucket: Bucket | None, window: Window, slots: Slots) -> None:
        self.tokens = tokens
        self.slot = Slot(slots)
        self.landed = False
        self._bucket = bucket
        self._window = window

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

    def land(self) -> None:
        was_landed, self.landed = self.landed, True
        if not was_landed:
            self._window.leave(self)
