"""Budget and Budgeted: nothing goes beyond the dollars, and what is not known counts as spent."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pickle
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakes import AsyncFake
from processes import run_python
from safechat import (
    Budget,
    BudgetExceeded,
    ChatClientWrapper,
    ChatError,
    ChatReply,
    ChatRequest,
    PriceUnknown,
    RateLimited,
    RequestTimedOut,
    RetryPolicy,
    ServerError,
    TruncatedReply,
    Usage,
    configure_logging,
)
from safechat.budget.book import Book
from safechat.budget.layer import Budgeted
from safechat.cli.logs import LogSummary
from safechat.cli.screens import summary_screen
from safechat.keys import Key
from safechat.keys.layer import Keyed
from safechat.log.call_record import call_record
from safechat.log.layer import Logged
from safechat.messages import Handler
from safechat.retry import Retried
from safechat.runtime import clock
from safechat.testing import ScriptedHandler, no_waiting
from virtual_time import run

OPENAI = "https://api.openai.com/v1"
REQUEST = ChatRequest(
    ({"role": "user", "content": "Merhaba"},), "m", params={"max_completion_tokens": 1_000_000}
)
PRICES = {"m": (0.0, 1.0)}  # so a million tokens of an answer cost a dollar, and a prompt nothing
REPLY = ChatReply("Selam!", "m-2026", usage=Usage(10, 250_000, 250_010), base_url=OPENAI)


def spent_after(outcome: ChatReply | ChatError, *, request: ChatRequest = REQUEST) -> float:
    """What one call with this outcome costs, of a budget."""
    budget = Budget(usd_per_day=10, prices=PRICES)

    async def main() -> None:
        try:
            await Budgeted(ScriptedHandler(outcome), budget)(request)
        except ChatError:
            assert isinstance(outcome, ChatError)

    run(main())
    return budget.spent_usd


def test_a_call_costs_what_the_api_counted() -> None:
    assert spent_after(REPLY) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("outcome", "usd"),
    [
        (replace(REPLY, usage=None), 1.0),
        (RequestTimedOut("10 s"), 1.0),
        (ServerError("503", status=503), 1.0),
        (RateLimited("429", status=429), 0.0),
        (ServerError("never left", sent=False), 0.0),
        (TruncatedReply("cut", usage=Usage(10, 500_000, 500_010)), 0.5),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_what_is_not_known_counts_as_spent_and_what_was_refused_does_not(
    outcome: ChatReply | ChatError, usd: float
) -> None:
    assert spent_after(outcome) == pytest.approx(usd)


def test_a_cancelled_request_counts_as_spent() -> None:
    budget = Budget(usd_per_day=10, prices=PRICES)

    async def hangs(_: ChatRequest) -> ChatReply:
        await asyncio.sleep(1000)
        raise AssertionError

    async def main() -> None:
        call = asyncio.create_task(Budgeted(hangs, budget)(REQUEST))
        await asyncio.sleep(1)
        assert budget.spent_usd == pytest.approx(1.0)  # reserved
        call.cancel()
        await asyncio.wait([call])
        assert budget.spent_usd == pytest.approx(1.0)

    run(main())


def test_a_call_that_is_cancelled_while_it_waits_for_a_key_has_spent_nothing() -> None:
    budget = Budget(usd_per_day=10, prices=PRICES)

    class Slow:
        async def get(self, not_version: int | None = None) -> Key:
            await asyncio.sleep(1000)
            raise AssertionError

    async def main() -> None:
        call = asyncio.create_task(Budgeted(Keyed(ScriptedHandler("x"), keys=Slow()), budget)(REQUEST))
        await asyncio.sleep(1)
        call.cancel()
        await asyncio.wait([call])
        assert budget.spent_usd == 0

    run(main())


def test_a_burst_cannot_pass_the_budget() -> None:
    budget = Budget(usd_per_day=3.5, prices=PRICES)

    async def slow(request: ChatRequest) -> ChatReply:
        await asyncio.sleep(1)
        return REPLY

    async def main() -> None:
        layer = Budgeted(slow, budget)
        calls = await asyncio.gather(*(layer(REQUEST) for _ in range(100)), return_exceptions=True)
        assert sum(isinstance(call, ChatReply) for call in calls) == 3
        assert sum(isinstance(call, BudgetExceeded) for call in calls) == 97
        assert budget.spent_usd == pytest.approx(0.75)
        assert isinstance(await layer(REQUEST), ChatReply)  # what was not used is there again

    run(main())


def test_the_error_names_the_limit_what_is_spent_and_when_it_resets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "today", lambda: date(2026, 12, 31))

    async def main() -> BudgetExceeded:
        layer = Budgeted(ScriptedHandler(REPLY), Budget(usd_per_day=1.1, prices=PRICES))
        await layer(REQUEST)
        with pytest.raises(BudgetExceeded) as caught:
            await layer(REQUEST)
        return caught.value

    error = run(main())
    text = str(pickle.loads(pickle.dumps(error)))
    for part in ("$1.00", "of the day's $1.10 $0.2500 are spent", "resets at 2027-01-01 00:00 UTC"):
        assert part in text
    assert (error.attempts, error.sent, error.retryable, error.falls_back) == (0, False, False, False)


def test_the_next_day_begins_with_the_whole_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    day = date(2026, 12, 31)
    monkeypatch.setattr(clock, "today", lambda: day)
    budget = Budget(usd_per_day=1, prices=PRICES)

    async def main() -> None:
        nonlocal day
        layer = Budgeted(ScriptedHandler(replace(REPLY, usage=None)), budget)
        await layer(REQUEST)
        with pytest.raises(BudgetExceeded):
            await layer(REQUEST)
        day = date(2027, 1, 1)
        assert budget.spent_usd == 0
        await layer(REQUEST)

    run(main())


def test_what_was_reserved_yesterday_is_not_taken_from_today() -> None:
    async def main() -> None:
        book = Book()
        entry = await book.enter(date(2026, 12, 31), 1.0, 5.0)
        assert entry is not None
        assert await book.enter(date(2027, 1, 1), 2.0, 5.0) is not None
        entry.settle(0.1)
        assert book.spent(date(2027, 1, 1)) == 2.0

    run(main())


def test_a_call_with_its_attempts_is_kept_to_its_own_budget() -> None:
    budget = Budget(usd_per_call=2.5, prices=PRICES)
    api = ScriptedHandler(ServerError("503", status=503))

    async def main() -> None:
        layer = Retried(Budgeted(api, budget), RetryPolicy(attempts=5))
        with no_waiting(), pytest.raises(BudgetExceeded, match=r"have cost \$2\.00"):
            await layer(REQUEST)
        assert len(api.requests) == 2

    run(main())


@pytest.mark.parametrize(
    ("params", "parts", "usd"),
    [
        ({}, 0, 0.016384),
        ({"max_tokens": 10_000}, 0, 0.01),
        ({"max_completion_tokens": 10_000, "n": 3}, 0, 0.03),
    ],
)
def test_the_most_that_a_request_can_cost(params: dict[str, object], parts: int, usd: float) -> None:
    budget = Budget(usd_per_call=1, prices=PRICES)
    assert budget.most(replace(REQUEST, params=params), None) == pytest.approx(usd)


@pytest.mark.parametrize(("character", "tokens"), [("a", 1000), ("ğ", 2000), ("አ", 3000), ("🫠", 4000)])
def test_a_prompt_is_reserved_with_the_most_tokens_that_it_can_have(character: str, tokens: int) -> None:
    budget = Budget(usd_per_call=1, prices={"m": (1.0, 0.0)})
    message = {"role": "user", "content": character * 1000}
    most = budget.most(replace(REQUEST, messages=(message,)), None)
    assert tokens <= 1e6 * most < tokens + 10


def test_embeddings_have_no_answer_to_pay() -> None:
    budget = Budget(usd_per_call=1, prices=PRICES)
    assert budget.most(replace(REQUEST, endpoint="POST /embeddings"), None) == 0


def test_the_price_list_knows_the_model_at_its_address() -> None:
    budget = Budget(usd_per_call=100)
    request = replace(REQUEST, model="gpt-5-mini")
    assert budget.most(request, OPENAI) == pytest.approx(2.0, rel=0.01)
    with pytest.raises(PriceUnknown, match=r"prices=\{'gpt-5-mini'"):
        budget.most(request, "https://llm.example.com/v1")


def test_the_environment_can_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-budget-0000")
    monkeypatch.setenv("SAFECHAT_USD_PER_DAY", "0.0001")
    with ChatClientWrapper.from_env(env_file=None) as chat, pytest.raises(BudgetExceeded):
        chat.generate("Merhaba", model="gpt-5-mini")


def test_what_is_no_budget_is_refused() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="budget must be a Budget"):
        ChatClientWrapper(AsyncFake(), budget=wrong)


def test_a_model_without_a_price_is_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        api = ScriptedHandler(REPLY)
        with pytest.raises(PriceUnknown) as caught:
            await Budgeted(api, Budget(usd_per_day=1), OPENAI)(REQUEST)
        assert (api.requests, caught.value.sent) == ([], False)

    run(main())


def test_a_request_that_only_lists_costs_nothing() -> None:
    assert spent_after(REPLY, request=replace(REQUEST, endpoint="GET /models", model="")) == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "needs usd_per_day or usd_per_call"),
        ({"usd_per_day": 0}, "usd_per_day must be above 0"),
        ({"usd_per_call": -1}, "usd_per_call must be above 0"),
        ({"usd_per_day": 1, "answer_tokens": 0}, "answer_tokens must be at least 1"),
        ({"usd_per_day": 1, "prices": {"m": 3}}, "the price of m must be a pair"),
        ({"usd_per_day": 1, "prices": {"m": (1, -3)}}, "the price of m must be a pair"),
    ],
)
def test_a_wrong_budget_says_what_is_wrong(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Budget(**arguments)


def test_wrappers_and_threads_share_one_budget() -> None:
    budget = Budget(usd_per_day=5.5, prices={"m": (0.0, 1e6 / 16_384)})  # each call reserves a dollar
    clients = [AsyncFake(fails=lambda _: OSError("cut")) for _ in range(2)]
    wrappers = [
        ChatClientWrapper(client, model="m", budget=budget, retry=RetryPolicy(attempts=1))
        for client in clients
    ]

    def ask(chat: ChatClientWrapper) -> None:
        for _ in range(5):
            with pytest.raises(ChatError):
                chat.generate("Merhaba")

    threads = [threading.Thread(target=ask, args=(chat,)) for chat in wrappers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for chat in wrappers:
        chat.close()
    assert sum(len(client.prompts) for client in clients) == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_the_child_of_a_fork_may_spend_whatever_the_parents_threads_do() -> None:
    program = (
        "import os, signal; from safechat import Budget\n"
        "budget = Budget(usd_per_day=1)\n"
        "budget.book._lock.__enter__()  # as another thread does at that moment\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(30)\n"
        "    print(budget.spent_usd)\n"
        "else: os.waitpid(child, 0)\n"
    )
    assert run_python(program) == "0.0\n"


def test_a_call_that_the_budget_refuses_gives_its_place_in_the_limits_back() -> None:
    budget = Budget(usd_per_call=0.001, prices={"m": (0.0, 1.0)})
    with ChatClientWrapper(AsyncFake(), model="m", budget=budget) as chat:
        for _ in range(3):
            with pytest.raises(BudgetExceeded):
                chat.generate("Merhaba", max_completion_tokens=1_000_000)
        assert str(chat.generate("Merhaba", max_completion_tokens=10)) == "Merhaba"


def test_the_log_tells_cost_and_budget_and_warns_once(tmp_path: Path) -> None:
    budget = Budget(usd_per_day=2, prices=PRICES)

    def logged(api: Handler) -> Handler:
        return Logged(Budgeted(api, budget))

    async def main() -> None:
        layer = logged(ScriptedHandler(replace(REPLY, usage=Usage(10, 850_000, 850_010))))
        await layer(REQUEST)
        await layer(REQUEST)
        with pytest.raises(BudgetExceeded):
            await layer(REQUEST)

    path = tmp_path / "log"
    with configure_logging(str(path)):
        run(main())
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    first, second, third = (record for record in records if record["event"] == "chat.call")
    assert (first["cost_usd"], first["budget_spent_usd"], first["budget_usd_per_day"]) == (0.85, 0.85, 2)
    assert second["budget_spent_usd"] == pytest.approx(1.7)
    assert (third["outcome"], third["attempts"]) == ("budget_exceeded", 0)
    assert [record["event"] for record in records].count("budget.nearly_spent") == 1
    summary = LogSummary()
    for record in records:
        summary.add(json.dumps(record))
    assert summary.budget == (1.7, 2)
    assert summary.outcomes["budget_exceeded"] == 1
    screen = io.StringIO()
    Console(file=screen, width=100).print(summary_screen(summary, 100))
    assert "$1.70 of $2.00 a day" in screen.getvalue()


def test_a_record_sums_the_cost_of_a_calls_requests() -> None:
    async def main() -> None:
        with call_record() as record:
            layer = Budgeted(ScriptedHandler(REPLY), Budget(usd_per_day=9, prices=PRICES))
            await layer(REQUEST)
            await layer(REQUEST)
            assert record.notes["cost_usd"] == pytest.approx(0.5)

    run(main())
