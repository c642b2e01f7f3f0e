#| odev 3.1 limits.quota.Reservation
# hint: self.land
class Reservation(Held):
    """A context manager: within its block the call is in the window.

    At its end the place and the slot are given back, whatever happened. The tokens stay taken, for what was
    sent may be billed, until `settle` says how many were used.
    """

    def __enter__(self) -> Self:
        self._window.enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.slot.end()

    def settle(self, used: float) -> None:
        """The call used this number of tokens: the difference to those it holds is taken, or given back."""
        if self._bucket is not None:
            self._bucket.settle(used - self.tokens)
        self.tokens = used
