#| odev 3.1 limits.quota.Reservation
# hint: hatayı yutuyor
class Reservation:
    """What a call holds while it is under way: `tokens` of the bucket, its place in the window, and a slot.

    A context manager. Within its block the call is in the window. At its end the place and the slot are given
    back, whatever happened. The tokens stay taken, for what was sent may be billed, until `settle` says how
    many were used. `bucket` is None where no limit of tokens is known.
    """

    def __init__(self, tokens: float, bucket: Bucket | None, window: Window, slots: Slots) -> None:
        self.tokens = tokens
        self.slot = Slot(slots)
        self.landed = False
        self._bucket = bucket
        self._window = window

    def __enter__(self) -> Self:
        self._window.enter(self)
        return self

    def __exit__(self, *_: object) -> bool:
        self.land()
        self.slot.end()
        return True

    def settle(self, used: float) -> None:
        """The call used this number of tokens: the difference to those it holds is taken, or given back."""
        if self._bucket is not None:
            self._bucket.settle(used - self.tokens)
        self.tokens = used

    def land(self) -> None:
        """The answer has come, or a stream has begun: another call may have the place in the window. Only
        the first time does anything."""
        if not self.landed:
            self.landed = True
            self._window.leave(self)
