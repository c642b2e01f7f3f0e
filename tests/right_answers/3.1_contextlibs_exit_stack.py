#| odev 3.1 limits.quota.Reservation
from contextlib import AbstractContextManager, ExitStack


class Reservation(AbstractContextManager):
    def __init__(self, tokens, bucket, window, slots):
        self.tokens = tokens
        self.slot = Slot(slots)
        self.landed = False
        self._bucket = bucket
        self._window = window
        self._stack = ExitStack()

    def __enter__(self):
        self._window.enter(self)
        self._stack.callback(self.slot.end)
        self._stack.callback(self.land)
        return self

    def __exit__(self, *_):
        self._stack.close()

    def settle(self, used):
        if self._bucket is not None:
            self._bucket.settle(used - self.tokens)
        self.tokens = used

    def land(self):
        if not self.landed:
            self._window.leave(self)
            self.landed = True
