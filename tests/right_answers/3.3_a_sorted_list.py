#| odev 3.3 client.workers.BoundedQueue
class BoundedQueue(Generic[T]):
    """Heap yerine sıralı bir liste."""

    def __init__(self, maxsize):
        self._maxsize = maxsize
        self._room = asyncio.Semaphore(maxsize)
        self._numbers = itertools.count()
        self._heap = []
        self._waiting = set()

    async def put(self, item, priority=0, *, wait=True):
        if not wait and self._room.locked():
            raise QueueFull(f"{self._maxsize} öğe bekliyor")
        async with TakesRoom(self._room):
            self._heap.append((priority, next(self._numbers), item))
            self._heap.sort(key=lambda entry: entry[:2])
            self._waiting.add(item)

    def get(self):
        if not self._heap:
            return None
        item = self._heap[0][2]
        self.remove(item)
        return item

    def remove(self, item):
        before = len(self._heap)
        self._heap = [entry for entry in self._heap if entry[2] is not item]
        self._waiting.discard(item)
        if len(self._heap) == before:
            return False
        self._room.release()
        return True

    def __len__(self):
        return len(self._heap)


class TakesRoom:
    def __init__(self, room):
        self.room = room

    async def __aenter__(self):
        await self.room.acquire()

    async def __aexit__(self, *_):
        pass
