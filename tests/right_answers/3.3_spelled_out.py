#| odev 3.3 client.workers.BoundedQueue
class BoundedQueue(WaitingItems):
    async def put(self, item, priority=0, *, wait=True):
        if self._room.locked():
            if not wait:
                raise QueueFull("kuyruk dolu")
        await self._room.acquire()
        sıra = next(self._numbers)
        heapq.heappush(self._heap, (priority, sıra, item))
        self._waiting.add(item)

    def get(self):
        while len(self._heap) > 0:
            _, _, item = heapq.heappop(self._heap)
            if item in self._waiting:
                self._waiting.discard(item)
                self._room.release()
                return item
