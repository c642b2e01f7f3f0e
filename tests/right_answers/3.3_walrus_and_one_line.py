#| odev 3.3 client.workers.BoundedQueue
class BoundedQueue(WaitingItems[T]):
    """Sınırlı kuyruk."""

    async def put(self, item: T, priority: int = 0, *, wait: bool = True) -> None:
        dolu = self._room.locked()
        if dolu and wait is False:
            raise QueueFull(f"{self._maxsize} öğe bekliyor, yer yok")
        if await self._room.acquire():
            self.add(item, priority)

    def get(self):
        if (sıradaki := self.pop()) is not None:
            self._room.release()
        return sıradaki
