#| odev 3.3 client.workers.BoundedQueue
import asyncio


class BoundedQueue(WaitingItems):
    """Yeri release yerine remove açar; bunun için öğe henüz beklerken bulunur."""

    async def put(self, item, priority=0, *, wait=True):
        if not wait:
            await self._put_now(item, priority)
            return
        await self._room.acquire()
        self.add(item, priority)

    async def _put_now(self, item, priority):
        if self._room.locked():
            raise QueueFull("yer yok")
        await asyncio.wait_for(self._room.acquire(), None)
        self.add(item, priority)

    def get(self):
        while self._heap:
            item = self._heap[0][2]
            if self.remove(item):
                return item
            heapq.heappop(self._heap)
        return None
