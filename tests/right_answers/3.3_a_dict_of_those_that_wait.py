#| odev 3.3 client.workers.BoundedQueue
import asyncio
import itertools


class BoundedQueue(Generic[T]):
    def __init__(self, maxsize):
        self._maxsize = maxsize
        self._room = asyncio.Semaphore(maxsize)
        self._numbers = itertools.count()
        self._heap = []
        self._waiting = {}

    async def put(self, item, priority=0, *, wait=True):
        if self._room.locked() and not wait:
            raise QueueFull("dolu")
        await self._room.acquire()
        self._waiting[item] = (priority, next(self._numbers))

    def get(self):
        first = min(self._waiting, key=self._waiting.__getitem__, default=None)
        if first is not None:
            self.remove(first)
        return first

    def remove(self, item):
        found = self._waiting.pop(item, None) is not None
        if found:
            self._room.release()
        return found

    def __len__(self):
        return len(self._waiting)
