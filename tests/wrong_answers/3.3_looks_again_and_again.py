#| odev 3.3 client.workers.BoundedQueue
# hint: Yer, önce bekleyenindir
class BoundedQueue(WaitingItems[T]):
    """The lowest priority number is next; within one number, the first come.

    For one event loop. An item is hashable, and is put in once.
    """

    async def put(self, item: T, priority: int = 0, *, wait: bool = True) -> None:
        """Wait for room, first come, first served; without `wait`, raise QueueFull where there is none."""
        if not wait and len(self._waiting) >= self._maxsize:
            raise QueueFull(f"the queue holds its {self._maxsize} calls; wait with submit, or try later")
        while len(self._waiting) >= self._maxsize:
            await asyncio.sleep(0.7)
        self._waiting.add(item)
        heapq.heappush(self._heap, (priority, next(self._numbers), item))

    def get(self) -> T | None:
        """Take out the next item; None where nothing waits."""
        while self._heap:
            if self.remove(item := heapq.heappop(self._heap)[2]):
                return item
        return None

    def remove(self, item: T) -> bool:
        """Free the room of `item`; False where it does not wait here."""
        if item not in self._waiting:
            return False
        self._waiting.remove(item)
        self._heap = tidied(self._heap, self._waiting)
        return True
