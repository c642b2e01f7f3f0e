"""Workers: a bounded number of calls at once, each of which asks a row and writes its line.

They run in the wrapper's own event loop. A worker takes its next row when its last line is written, so a
process that is killed has at most one row a worker to ask again. Not here: which rows there are (batch.py),
what may be spent (spending.py).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import anyio

from safechat.batch.estimate import price_of, tokens_at_most
from safechat.batch.journal import Output
from safechat.batch.lines import answer_line, cost_of_failure, error_line
from safechat.batch.rows import Row
from safechat.batch.spending import Spending
from safechat.client.dispatch import Call
from safechat.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    ChatError,
    CircuitOpen,
    KeyUnavailable,
    QuotaExhausted,
)
from safechat.layers import Layers
from safechat.log.events import log_context
from safechat.messages import ChatReply
from safechat.runtime import clock
from safechat.usage import Usage

# What no other row would escape. A batch ends with it, and with a day's budget that is spent.
_ENDS_ALL = (AuthenticationFailed, QuotaExhausted, KeyUnavailable)
_SYNC_EVERY = 1.0  # seconds
_FIRST_LONGEST = 1000  # tokens of an answer, until one has come


@dataclass(slots=True)
class BatchStatus:
    """How far a batch is. `rows` are those of the input (of this shard); `before` of them were answered by
    earlier runs, `to_ask` are those of this one. `usd` is what all runs cost, as far as a price is known; of
    failed calls only those of this run and the last one count. `kinds` counts the failures by their kind."""

    rows: int = 0
    before: int = 0
    to_ask: int = 0
    answered: int = 0
    failed: int = 0
    tokens: int = 0
    usd: float = 0.0
    over_budget: bool = False
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        """Rows of this run that have neither an answer nor an error yet."""
        return self.to_ask - self.answered - self.failed


Progress = Callable[[BatchStatus], object]
"""Called after each row, in the wrapper's event loop: it must not block."""


class Workers:
    """One run over `rows`, by `count` workers, each row as the call that `call_of` makes of it. `refused` is
    the error that has ended it, where one has."""

    def __init__(
        self,
        rows: Iterator[Row],
        call_of: Callable[[Row], Call],
        journal: Output,
        status: BatchStatus,
        *,
        count: int,
        max_usd: float | None,
        progress: Progress | None,
    ) -> None:
        self._rows = rows
        self._call_of = call_of
        self._journal = journal
        self._status = status
        self._count = count
        self._max_usd = max_usd
        self._progress = progress
        self._longest = _FIRST_LONGEST
        self.refused: ChatError | None = None

    async def work(self, layers: Layers) -> None:
        """Ask all rows. Raises OSError for a line that cannot be written."""
        self._stopping = anyio.Event()
        self._spending = Spending(self._max_usd, self._journal.usd)
        self._status.usd = self._journal.usd
        try:
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(self._worker(layers)) for _ in range(self._count)]
                syncing = group.create_task(self._sync_again_and_again())
                await asyncio.wait(workers)
                syncing.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            self._journal.sync()

    async def _worker(self, layers: Layers) -> None:
        for row in self._rows:
            call = self._call_of(row)
            usd = self._usd_at_most(layers, call)
            if not await self._spending.room_for(usd):
                self._status.over_budget = True
                self._stopping.set()
            if self._stopping.is_set():
                return
            with self._spending.reserve(usd) as reserved:
                reserved.used = await self._ask(row, call, layers) or 0.0
            self._status.usd = self._spending.spent
            if self._progress is not None:
                self._progress(self._status)
            await asyncio.sleep(0)  # where answers come without a wait, others have their turn all the same

    async def _ask(self, row: Row, call: Call, layers: Layers) -> float | None:
        """Ask the row and write its line; the US dollars that it cost, where they are known."""
        status, fingerprint, began = self._status, row.fingerprint(), clock.now()
        try:
            with log_context(custom_id=row.id):
                reply = await self._answer(call, layers)
        except CircuitOpen:
            return None
        except ChatError as error:
            if isinstance(error, _ENDS_ALL) or _is_spent(error):
                self.refused = self.refused or error
                self._stopping.set()
                return None
            usd = cost_of_failure(error)
            self._journal.append(error_line(row, fingerprint, error, clock.now() - began, usd))
            status.failed += 1
            status.kinds[error.kind] += 1
            self._add_up(error.usage)
        else:
            usd = reply.cost_usd
            self._journal.append(answer_line(row, fingerprint, reply, usd))
            status.answered += 1
            self._add_up(reply.usage)
        return usd

    async def _answer(self, call: Call, layers: Layers) -> ChatReply:
        """The reply. While the circuit is open the row waits: an API that is down must not use all rows up.
        It waits, too, while rows under way have reserved what is left of the day's budget. Where the batch
        ends meanwhile, that error is raised."""
        while True:
            try:
                return await call.answer(layers)
            except CircuitOpen as error:
                seconds = error.retry_after or 1.0
                if self._stopping.is_set():
                    raise
            except BudgetExceeded as error:
                waits = _is_spent(error) and not self._stopping.is_set()
                if not (waits and await self._spending.another_settled()):
                    raise
                continue
            with anyio.move_on_after(clock.seconds(seconds)):
                await self._stopping.wait()

    def _add_up(self, usage: Usage | None) -> None:
        if usage is not None:
            self._status.tokens += usage.total_tokens
            self._longest = max(self._longest, usage.completion_tokens)

    def _usd_at_most(self, layers: Layers, call: Call) -> float:
        """What the call may cost: an answer without `max_completion_tokens` is thought to be as long as the
        longest so far. 0 where nothing limits the cost."""
        if self._max_usd is None:
            return 0.0
        prompt, answer = tokens_at_most(call.request, layers.estimator)
        base_url = layers.calls[0].base_url
        return (
            price_of(call.request.model, base_url, prompt, self._longest if answer is None else answer) or 0.0
        )

    async def _sync_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(_SYNC_EVERY)
            await asyncio.to_thread(self._journal.sync)


def _is_spent(error: ChatError) -> bool:
    """Whether the budget of the day has no room for more, with what is reserved for calls under way."""
    return isinstance(error, BudgetExceeded) and error.retry_after is not None
