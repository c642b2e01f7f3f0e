#| odev 3.3 client.workers.BoundedQueue
# hint: En küçük öncelik numarası
class BoundedQueue(WaitingItems[T]):
    """The lowest priority number is next; within one number, the first come.

    For one event loop. An item is hashable, and is put in once.
    """

    async def put(self, item: T, priority: int = 0, *, wait: bool = True) -> None:
        """Wait for room, first come, first served; without `wait`, raise QueueFull where there is none."""
        if not wait and self._room.locked():
            raise QueueFull(f"the queue holds its {self._maxsize} calls; wait with submit, or try later")
        await self._room.acquire()
        self._waiting.add(item)
        heapq.heappush(self._heap, (priority, -next(self._numbers), item))

    def get(self) -> T | None:
        """Take out the next item; None where nothing waits."""
        while self._heap:
            if self.remove(item := heapq.heappop(self._heap)[2]):
                return item
        return None
