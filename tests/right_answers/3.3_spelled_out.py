#| odev 3.3 client.workers.BoundedQueue
class BoundedQueue(WaitingItems):
    async def put(self, item, priority=0, *, wait=True):
        if self._room.locked():
            if not wait:
                raise QueueFull("kuyruk dolu")
        await self._room.acquire()
        self.add(item, priority=priority)

    def get(self):
        item = self.pop()
        if item is None:
            return None
        else:
            self._room.release()
            return item
