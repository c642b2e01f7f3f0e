#| odev 3.1 limits.quota.Reservation
from contextlib import ExitStack


class Reservation(Held):
    def __enter__(self):
        self._window.enter(self)
        self._stack = ExitStack()
        self._stack.callback(self.slot.end)
        self._stack.callback(self.land)
        return self

    def __exit__(self, *_):
        self._stack.close()

    def settle(self, used):
        if self._bucket is None:
            self.tokens = used
            return
        self._bucket.settle(used - self.tokens)
        self.tokens = used
