#| odev 3.3 client.workers.BoundedQueue
# hint: geri verecek yeri de yoktur
class BoundedQueue(WaitingItems[T]):
    """Who puts an item in waits for room, and who takes one out makes room: backpressure.

    For one event loop. An item is hashable, and is put in once.
    """

    async def put(self, item: T, priority: int = 0, *, wait: bool = True) -> None:
        """Wait for room, first come, first served; without `wait`, raise QueueFull where there is none."""
        if not wait and self._room.locked():
            raise QueueFull(f"the queue holds its {self._maxsize} calls; wait with submit, or try later")
        try:
            await self._room.acquire()
            self.add(item, priority)
        except asyncio.CancelledError:
            self._room.release()
            raise

    def get(self) -> T | None:
        """Take out the next item, and make room; None where nothing waits."""
        item = self.pop()
        if item is not None:
            self._room.release()
        return item
