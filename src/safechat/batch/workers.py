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

from safechat.batch.journal import Output
from safechat.batch.lines import answer_line, error_line
from safechat.batch.rows import Row, key_of
from safechat.batch.spending import RowAccount, Spending, is_of_the_batch
from safechat.budget.account import charged_to
from safechat.client.dispatch import Call
from safechat.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    ChatError,
    CircuitOpen,
    KeyUnavailable,
    ModelUnavailable,
    QuotaExhausted,
)
from safechat.layers import Layers
from safechat.log.events import log_context
from safechat.messages import ChatReply
from safechat.runtime import clock

# What no other row would escape. A batch ends with it, and with a day's budget that is spent.
_ENDS_ALL = (AuthenticationFailed, QuotaExhausted, KeyUnavailable)
_SYNC_EVERY = 1.0  # seconds


@dataclass(slots=True)
class BatchStatus:
    """How far a batch is. `rows` are those of the input (of this shard); `before` of them were answered by
    earlier runs, `to_ask` are those of this one. `usd` is what the requests of all runs cost, also those that
    failed, as far as a price is known; under a limit a request that was sent and not answered counts as the
    most that it could cost. `tokens` are those of this run. `kinds` counts the failures by their kind."""

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
        self._unavailable: dict[str, ModelUnavailable] = {}  # models that the API did not serve just now
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
            if self._stopping.is_set():
                return
            await self._ask(row, layers)
            self._status.usd = self._spending.spent
            if self._progress is not None:
                self._progress(self._status)
            await asyncio.sleep(0)  # where answers come without a wait, others have their turn all the same

    async def _ask(self, row: Row, layers: Layers) -> None:
        """Ask the row and write its line."""
        status, fingerprint, began = self._status, row.fingerprint(), clock.now()
        account = RowAccount(self._spending, layers.prices, layers.estimator)
        with log_context(custom_id=row.id), charged_to(account):
            outcome = await self._outcome(self._call_of(row), layers, account)
        usd = account.usd
        if isinstance(outcome, ChatReply) and outcome.cached:
            usd = usd or 0.0
        if before := self._journal.failed_usd.get(key_of(row.id)):  # in earlier runs
            usd = before + (usd or 0.0)
        match outcome:
            case ChatReply():
                self._journal.append(answer_line(row, fingerprint, outcome, usd))
                status.answered += 1
            case ChatError():
                self._journal.append(error_line(row, fingerprint, outcome, clock.now() - began, usd))
                status.failed += 1
                status.kinds[outcome.kind] += 1
        status.tokens += account.tokens

    async def _outcome(self, call: Call, layers: Layers, account: RowAccount) -> ChatReply | ChatError | None:
        """The reply or the error of the row. Where the batch ends before there is one, None; a row that has
        cost something by then has its last error, so that its line keeps the sum.

        While the circuit is open the row waits: an API that is down must not use all rows up. A model that
        the API does not serve ends the batch. The row waits, too, while rows under way have reserved what is
        left of the dollars.
        """
        model = call.request.model
        error: ChatError | None = None
        while await self._goes(call, layers, account):
            try:
                with account.under_way():
                    return await call.answer(layers)
            except CircuitOpen as open_circuit:
                error = open_circuit
                if model in self._unavailable:
                    self._end_with(self._unavailable[model])
                with anyio.move_on_after(clock.seconds(error.retry_after or 1.0)):
                    await self._stopping.wait()
            except ChatError as failure:
                error = failure
                self._unavailable.pop(model, None)
                if isinstance(error, ModelUnavailable):
                    self._unavailable[model] = error
                if isinstance(error, _ENDS_ALL):
                    self._end_with(error)
                elif _is_spent(error):
                    if not await self._spending.another_ended():
                        self._end_with(error)
                elif not is_of_the_batch(error):
                    return error
        return error if account.usd else None

    async def _goes(self, call: Call, layers: Layers, account: RowAccount) -> bool:
        """Whether the row is asked now. Else the batch ends."""
        has_room = await account.reserve_ahead(call.request, layers.calls[0].base_url)
        if self._stopping.is_set():
            account.release()
            return False
        if not has_room:
            self._status.over_budget = True
            self._stopping.set()
        return has_room

    def _end_with(self, error: ChatError) -> None:
        self.refused = self.refused or error
        self._stopping.set()

    async def _sync_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(_SYNC_EVERY)
            await asyncio.to_thread(self._journal.sync)


def _is_spent(error: ChatError) -> bool:
    """Whether the budget of the day has no room for more, with what is reserved for calls under way."""
    return isinstance(error, BudgetExceeded) and error.retry_after is not None
