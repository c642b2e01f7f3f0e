"""Batch: the rows of a file, asked by a bounded number of calls at once; the output file is the journal.

Not here: who asks them (workers.py), what a row is (rows.py), how lines are written and read again
(journal.py), what may be spent (spending.py).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

from safechat.batch.estimate import Estimate, estimated
from safechat.batch.journal import Journal, Output, Stream
from safechat.batch.rows import Row, key_of, read_rows
from safechat.batch.workers import BatchStatus, Progress, Workers
from safechat.checks import check_count, check_seconds
from safechat.client.dispatch import Call
from safechat.client.wrapper import ChatClientWrapper
from safechat.layers import Layers
from safechat.messages import RESPONSES_ENDPOINT
from safechat.runtime.loop import Outcome
from safechat.runtime.process import result_of
from safechat.usage import Usage

Source = str | Path | BinaryIO
"""The path of a file, or a file that is open for bytes."""


class Batch:
    """A batch that is ready to run: within its `with` block all of its rows are checked, and none is asked.

    Arguments are those of `run`. Entering it raises ValueError that names the line of a row that is wrong or
    has changed, and OSError where a file cannot be opened.
    """

    def __init__(
        self,
        chat: ChatClientWrapper,
        input: Source,
        output: Source,
        *,
        model: str | None = None,
        workers: int = 32,
        deadline: float = math.inf,
        allow_truncated: bool = False,
        shard: tuple[int, int] | None = None,
        limit: int | None = None,
        max_usd: float | None = None,
        ordered: bool = False,
    ) -> None:
        self._dispatcher = chat.dispatcher
        self._input = input
        self._output = output
        self._model = chat.dispatcher.defaults.model if model is None else model
        self._workers = check_count("workers", workers)
        self._deadline = check_seconds("deadline", deadline)
        self._allow_truncated = allow_truncated
        self._shard, self._shards = check_shard(shard or (1, 1))
        self._limit = math.inf if limit is None else check_count("limit", limit)
        if max_usd is not None and not max_usd > 0:
            raise ValueError(f"max_usd must be above 0, not {max_usd!r}")
        self._max_usd = max_usd
        self._ordered = ordered
        self._has_run = False
        self.status = BatchStatus()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._file = self._input_file(opened)
            self._journal = self._output_file(opened)
            self._check_rows()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def estimate(self) -> Estimate:
        """The tokens and dollars of the rows that `run` would ask, before any is."""
        requests = (self._call(row).request for row in self._rows_to_ask())
        return estimated(requests, self._dispatcher.run(_base_url))

    def run(self, progress: Progress | None = None) -> BatchStatus:
        """Ask the rows that have no answer. The error of a row is its line, and no exception.

        Raises AuthenticationFailed, KeyUnavailable or QuotaExhausted, ModelUnavailable for a model that the
        API does not serve row after row, and BudgetExceeded for a day's budget that is spent, when the calls
        under way have ended, and OSError for a line that cannot be written.
        What is written stays; another Batch goes on there. RuntimeError for a second run of this one.
        """
        self._dispatcher.check_elsewhere()
        if self._has_run:
            raise RuntimeError("a Batch runs once: make another one, which reads what is answered")
        self._has_run = True
        self._journal.start()
        workers = Workers(
            self._rows_to_ask(),
            self._call,
            self._journal,
            self.status,
            count=self._workers,
            max_usd=self._max_usd,
            progress=progress,
        )
        ended: Future[Outcome[None]] = Future()
        visit = self._dispatcher.start(workers.work, ended.set_result)
        try:
            result_of(ended).value()
        except BaseException:
            visit.cancel()
            wait([ended])  # nobody writes any more
            raise
        if workers.refused is not None:
            raise workers.refused
        if self._ordered and isinstance(self._journal, Journal):
            self._journal.sort(key_of(row.id) for row in self._rows())
        return self.status

    def _rows(self) -> Iterator[Row]:
        self._file.seek(0)
        return read_rows(self._file, self._model)

    def _rows_to_ask(self) -> Iterator[Row]:
        asked = 0
        for number, row in enumerate(self._rows()):
            if asked >= self._limit:
                return
            if self._is_mine(number) and key_of(row.id) not in self._journal.answered:
                asked += 1
                yield row

    def _is_mine(self, number: int) -> bool:
        """Whether this row, counted from 0, belongs to this shard."""
        return number % self._shards == self._shard - 1

    def _call(self, row: Row) -> Call:
        """The row as a checked call. Raises ValueError that names the line."""
        try:
            if row.endpoint == RESPONSES_ENDPOINT:
                return self._dispatcher.response(
                    {"model": row.model, **row.params},
                    deadline=self._deadline,
                    allow_truncated=self._allow_truncated,
                )
            return self._dispatcher.call(
                row.messages,
                row.model,
                deadline=self._deadline,
                allow_truncated=self._allow_truncated,
                params=row.params,
            )
        except (TypeError, ValueError) as error:
            reason = str(error)
        raise ValueError(f"line {row.line} ({row.id}): {reason}")

    def _check_rows(self) -> None:
        """Read the whole input once, and ask nothing. Raises ValueError that names the first wrong row."""
        status, answered = self.status, self._journal.answered
        seen: set[int] = set()
        models: set[str] = set()
        for number, row in enumerate(self._rows()):
            key = key_of(row.id)
            if key in seen:
                first = next(other.line for other in self._rows() if other.id == row.id)
                raise ValueError(f"line {row.line}: the custom_id {row.id!r} is that of line {first}, too")
            seen.add(key)
            if key in answered and answered[key] != row.fingerprint():
                raise ValueError(
                    f"line {row.line} ({row.id}): {self._output} has the answer to another request: its "
                    "messages, model or parameters have changed. Undo that, or give another output"
                )
            if self._is_mine(number):
                status.rows += 1
                if key in answered:
                    status.before += 1
                else:
                    self._call(row)
                    models.add(row.model)
        if others := answered.keys() - seen:
            assert isinstance(self._journal, Journal)
            raise ValueError(
                f"{self._output} has {len(others):,} answers to rows that the input does not have, "
                f"{self._journal.first_other(seen)!r} the first. Give another output"
            )
        status.to_ask = int(min(status.rows - status.before, self._limit))
        self._dispatcher.run(partial(self._check_prices, models))

    async def _check_prices(self, models: set[str], layers: Layers) -> None:
        """Where dollars are limited, by the batch or by the wrapper's budget, all models need a price."""
        if self._max_usd is None and not layers.has_budget:
            return
        base_url = await _base_url(layers)
        for model, address in [*((model, base_url) for model in sorted(models)), *layers.fallbacks]:
            if layers.prices.usd(model, model, address, Usage(1, 1)) is None:
                raise ValueError(
                    f"no price of {model} at {address} is known, so no sum of dollars can be kept "
                    "(prices come with the extra: pip install 'safechat[cost]'; in a program, with "
                    "Budget(prices=…), too)"
                )

    def _input_file(self, opened: ExitStack) -> BinaryIO:
        if not isinstance(self._input, str | Path):
            return self._input
        if isinstance(self._output, str | Path) and _is_same_file(self._input, self._output):
            raise ValueError(f"{self._input} cannot be both the input and the output")
        return opened.enter_context(open(self._input, "rb"))

    def _output_file(self, opened: ExitStack) -> Output:
        if isinstance(self._output, str | Path):
            return opened.enter_context(Journal(Path(self._output)))
        if self._ordered:
            raise ValueError("ordered needs the path of a file")
        return Stream(self._output)


def _is_same_file(one: str | Path, other: str | Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except FileNotFoundError:
        return False


async def _base_url(layers: Layers) -> str | None:
    return layers.calls[0].base_url


def check_shard(shard: tuple[int, int]) -> tuple[int, int]:
    """`shard`, if it is a number and how many there are: (3, 8) is the third of eight."""
    number, count = check_count("shard", shard[0]), check_count("shards", shard[1])
    if number > count:
        raise ValueError(f"there is no shard {number} of {count}")
    return number, count


def run(
    chat: ChatClientWrapper,
    input: Source,
    output: Source,
    *,
    model: str | None = None,
    workers: int = 32,
    deadline: float = math.inf,
    allow_truncated: bool = False,
    shard: tuple[int, int] | None = None,
    limit: int | None = None,
    max_usd: float | None = None,
    ordered: bool = False,
    progress: Progress | None = None,
) -> BatchStatus:
    """Ask every row of `input` that has no answer in `output` yet, by `workers` calls at once.

    `input` is JSON lines (batch/rows.py), `output` is its journal (batch/journal.py): started again after
    whatever ended it, a batch asks only what is not answered, and asks again what failed. Its lines come in
    the order of the answers; with `ordered` they are sorted at the end. An `output` that is open already is
    only written to.

    `model` is for rows that name none. `deadline` limits one row, in seconds, with the wait for its turn; by
    default only its attempts are limited. `shard` (3, 8) asks every eighth row from the third on, `limit`
    asks that many rows at the most.

    With `max_usd` no request is sent that could bring the cost of all runs on this output above that, by the
    price list (the prices of the wrapper's budget before it) and our count of tokens; an answer is thought to
    be as long as `max_completion_tokens` says, else as the longest so far, at least 1,000 tokens. Every
    request counts: those of retries and fallbacks, too, and those whose answer was of no use (cut, empty).
    One that was sent and not answered counts as the most that it could cost. Only what was under way when a
    run was killed is not known to the next one. Each shard has its own output, and so a limit of its own.

    Raises ValueError, before anything is sent, for a row that is wrong, comes twice or has changed since it
    was answered (a row that failed may change); else what `Batch.run` raises.
    """
    batch = Batch(
        chat,
        input,
        output,
        model=model,
        workers=workers,
        deadline=deadline,
        allow_truncated=allow_truncated,
        shard=shard,
        limit=limit,
        max_usd=max_usd,
        ordered=ordered,
    )
    with batch:
        return batch.run(progress)
