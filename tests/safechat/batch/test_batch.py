"""A batch in a program: what is asked, what is written, what ends it."""

from __future__ import annotations

import io
import itertools
import json
import logging
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import openai
import pytest

from clients import KEY
from echo_api import EchoApi, echo_api
from fakes import AsyncFake
from safechat import (
    AuthenticationFailed,
    BreakerPolicy,
    Budget,
    BudgetExceeded,
    ChatClientWrapper,
    ChatError,
    DiskCache,
    KeyUnavailable,
    ModelUnavailable,
    QuotaExhausted,
    RateLimits,
    RequestRejected,
    RetryPolicy,
    ServerError,
)
from safechat.batch import Batch, BatchStatus, run
from safechat.batch.estimate import Estimate
from safechat.log.events import log_fields
from safechat.testing import no_waiting
from two_apis import Said
from two_apis import answering as answering_both
from wire import completion

QUESTION = [{"role": "user", "content": "Merhaba"}]


class Files:
    """The input and the output of a batch, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.input, self.output = folder / "in.jsonl", folder / "out.jsonl"

    def ask(self, *rows: object) -> None:
        """Write the input; a text is the prompt of a row whose id it is."""
        whole = [{"custom_id": row, "prompt": row} if isinstance(row, str) else row for row in rows]
        self.input.write_text("".join(f"{json.dumps(row)}\n" for row in whole), "utf-8")

    def run(self, client: object, **options: Any) -> BatchStatus:
        with ChatClientWrapper(client, retry=RetryPolicy(attempts=1)) as chat:
            return run(chat, self.input, self.output, **options)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text("utf-8").splitlines()]

    def ids(self) -> list[str]:
        return [line["custom_id"] for line in self.lines()]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def api() -> Iterator[EchoApi]:
    with echo_api() as served:
        yield served


def sdk_client(api: EchoApi) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=KEY, base_url=api.base_url)


def failing(**errors: ChatError) -> AsyncFake:
    return AsyncFake(fails=lambda prompt: errors.get(prompt))


def test_the_line_of_an_answer_is_openais_form_and_says_what_the_call_took(
    files: Files, api: EchoApi
) -> None:
    files.ask("Merhaba")
    files.run(sdk_client(api))
    (line,) = files.lines()
    own = line.pop("safechat")
    assert line.pop("id").startswith("batch_req_")
    assert line == {
        "custom_id": "Merhaba",
        "response": {"status_code": 200, "request_id": "req_1", "body": completion("Merhaba")},
        "error": None,
    }
    assert (own["attempts"], own["cost_usd"]) == (1, None)
    assert own["latency_ms"] >= 0


def test_the_line_of_an_error_has_no_response(files: Files) -> None:
    files.ask("a")
    status = files.run(failing(a=ServerError("503: out of order", status=503, request_id="req_9")))
    (line,) = files.lines()
    assert line["response"] is None
    assert line["error"] == {
        "code": "server_error",
        "message": "503: out of order",
        "kind": "server_error",
        "status": 503,
        "request_id": "req_9",
    }
    assert (status.failed, status.kinds) == (1, {"server_error": 1})


def test_started_again_it_asks_what_failed_and_what_is_new(files: Files) -> None:
    files.ask("a", "b", "c")
    files.run(failing(b=ServerError("503")))
    files.ask("a", "b", "c", "d")
    client = AsyncFake()
    status = files.run(client)
    assert sorted(client.prompts) == ["b", "d"]
    assert sorted(files.ids()) == ["a", "b", "c", "d"]
    assert (status.rows, status.before, status.to_ask, status.answered) == (4, 2, 2, 2)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["a", "b", "a"], "line 3: the custom_id 'a' is that of line 1, too"),
        (
            [{"prompt": "x", "custom_id": "line-2"}, {"prompt": "y"}],
            "line 2: the custom_id 'line-2' is that of",
        ),
        (["a", {"custom_id": "b", "prompt": "b", "temprature": 0}], "line 2 (b): unknown parameter"),
        (["a", {"custom_id": "b", "prompt": " "}], "line 2 (b): the prompt is empty"),
        (["a", {"custom_id": "b", "messages": [{"role": "usr", "content": ""}]}], "line 2 (b): messages[0]"),
        (["a", {"custom_id": "b", "body": {"messages": [], "stream": True}}], "line 2 (b): stream is not"),
        (["a", {"custom_id": "b", "prompt": "b", "model": 7}], "line 2 (b): model must be a str"),
        (["a", {"custom_id": "b"}], "line 2: a row has"),
    ],
)
def test_a_wrong_row_is_named_before_anything_is_sent(
    files: Files, api: EchoApi, rows: list[object], words: str
) -> None:
    files.ask(*rows)
    with pytest.raises(ValueError, match="line") as raised:
        files.run(sdk_client(api))
    assert str(raised.value).startswith(words)
    assert not api.asked
    assert not files.output.exists()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"custom_id": "a", "prompt": "other"}, "b", "c"], "line 1 (a): .* the answer to another request"),
        (["a", {"custom_id": "b", "prompt": "b", "seed": 1}, "c"], "line 2 (b): .* another request"),
        (["a", "c"], "has 1 answers to rows that the input does not have, 'b' the first"),
    ],
)
def test_an_input_that_has_changed_is_refused(files: Files, rows: list[object], words: str) -> None:
    files.ask("a", "b")
    files.run(AsyncFake())
    before = files.output.read_bytes()
    files.ask(*rows)
    client = AsyncFake()
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        files.run(client)
    assert (client.prompts, files.output.read_bytes()) == ([], before)


def test_another_model_is_another_request(files: Files) -> None:
    files.ask("a")
    files.run(AsyncFake(), model="m")
    with pytest.raises(ValueError, match="another request"):
        files.run(AsyncFake(), model="n")


def test_a_row_that_failed_may_be_mended(files: Files) -> None:
    files.ask("a", "b")
    files.run(failing(b=RequestRejected("400")))
    files.ask("a", {"custom_id": "b", "prompt": "better"})
    assert files.run(AsyncFake()).answered == 1
    assert sorted(files.ids()) == ["a", "b"]


def test_the_input_is_never_the_output(files: Files) -> None:
    files.ask("a")
    before = files.input.read_bytes()
    with pytest.raises(ValueError, match="both the input and the output"):
        run(ChatClientWrapper(AsyncFake()), files.input, files.input.parent / "." / files.input.name)
    assert files.input.read_bytes() == before


def test_ordered_sorts_the_lines_as_the_rows(files: Files) -> None:
    files.ask(*"abcdefgh")

    class Slow(AsyncFake):
        async def _create(self, *, messages: list[dict[str, str]], **_: object) -> object:
            self.seconds = 0.1 if messages[-1]["content"] in "ad" else 0.0
            return await super()._create(messages=messages)

    client = Slow(fails=lambda prompt: ServerError("503") if prompt == "c" else None)
    files.run(client, ordered=True)
    assert files.ids() == [*"abcdefgh"]


def test_a_limit_is_for_the_rows_of_this_run(files: Files) -> None:
    files.ask(*"abcde")
    clients = [AsyncFake(), AsyncFake(), AsyncFake()]
    for client in clients:
        files.run(client, limit=2, workers=1)
    assert [client.prompts for client in clients] == [["a", "b"], ["c", "d"], ["e"]]


def test_shards_are_disjoint_and_together_all(files: Files, tmp_path: Path) -> None:
    files.ask(*"abcdefghij")
    clients = [AsyncFake() for _ in range(3)]
    for number, client in enumerate(clients, 1):
        files.output = tmp_path / f"{number}.jsonl"
        assert files.run(client, shard=(number, 3)).rows == len(client.prompts)
    assert sorted(itertools.chain(*(client.prompts for client in clients))) == [*"abcdefghij"]


@pytest.mark.parametrize("shard", [(0, 3), (4, 3), (1, 0)])
def test_a_shard_that_does_not_exist_is_refused(files: Files, shard: tuple[int, int]) -> None:
    files.ask("a")
    with pytest.raises(ValueError, match="shard"):
        files.run(AsyncFake(), shard=shard)


@pytest.mark.parametrize("error", [AuthenticationFailed("401"), QuotaExhausted("429"), KeyUnavailable("no")])
def test_what_no_row_would_escape_ends_the_batch_and_is_no_row(files: Files, error: ChatError) -> None:
    files.ask(*(f"{number}" for number in range(100)))
    client = AsyncFake(fails=lambda prompt: error if int(prompt) >= 10 else None)
    with pytest.raises(type(error)):
        files.run(client, workers=4)
    assert len(client.prompts) < 20
    assert sorted(files.ids(), key=int) == [f"{number}" for number in range(10)]


def test_a_model_that_the_api_does_not_serve_ends_the_batch(files: Files) -> None:
    files.ask(*(f"{number}" for number in range(100)))
    client = AsyncFake(fails=lambda _: ModelUnavailable("404: no such model", status=404))
    with pytest.raises(ModelUnavailable, match="no such model"):
        files.run(client, workers=4)
    assert len(client.prompts) < 10


def test_rows_that_name_a_model_which_does_not_exist_fail_and_the_others_go_on(files: Files) -> None:
    rows = [{"prompt": f"{number}", **({"model": "x"} if number < 3 else {})} for number in range(20)]
    files.ask(*rows)
    client = AsyncFake(fails=lambda prompt: ModelUnavailable("404") if int(prompt) < 3 else None)
    status = files.run(client, workers=1)
    assert (status.answered, status.kinds) == (17, {"model_unavailable": 3})


@pytest.mark.parametrize(("prices", "fallbacks"), [({}, []), ({"m": (1.0, 1.0)}, ["n"])])
def test_a_model_without_a_price_is_refused_where_the_wrapper_has_a_budget(
    files: Files, prices: dict[str, tuple[float, float]], fallbacks: list[str]
) -> None:
    files.ask("a")
    client, budget = AsyncFake(), Budget(usd_per_day=1, prices=prices)
    with (
        ChatClientWrapper(client, model="m", budget=budget, fallbacks=fallbacks) as chat,
        pytest.raises(ValueError, match=f"no price of {'n' if fallbacks else 'm'} at"),
    ):
        run(chat, files.input, files.output)
    assert not client.prompts


def test_while_an_api_is_down_rows_wait_and_are_not_used_up(files: Files) -> None:
    files.ask(*(f"{number}" for number in range(200)))
    calls = itertools.count()
    client = AsyncFake(fails=lambda _: ServerError("503") if 20 <= next(calls) < 30 else None)
    breaker = BreakerPolicy(failures=5, cooldown=0.02)
    with ChatClientWrapper(client, retry=RetryPolicy(attempts=1), breaker=breaker) as chat:
        status = run(chat, files.input, files.output, workers=4)
    assert status.kinds == {"server_error": 10}
    assert status.answered == 190


def test_a_worker_asks_its_next_row_when_its_last_line_is_written(files: Files) -> None:
    files.ask(*(f"{number}" for number in range(60)))
    unwritten = []

    class Watching(AsyncFake):
        async def _create(self, *, messages: list[dict[str, str]], **_: object) -> object:
            unwritten.append(len(self.prompts) + 1 - len(files.lines()))
            return await super()._create(messages=messages)

    files.run(Watching(seconds=0.001), workers=4)
    assert max(unwritten) == 4


def test_no_key_in_use_gets_into_the_output(files: Files, api: EchoApi) -> None:
    another = "sk-proj-abcdefghijklmnop"
    files.ask({"custom_id": f"id {KEY}", "prompt": f"{KEY} and {another}"})
    files.run(sdk_client(api))
    text = files.output.read_text("utf-8")
    assert KEY not in text
    assert "[redacted] and sk-proj-abcdefghijklmnop" in text, "an answer may be about keys"


def test_a_row_whose_id_holds_a_key_in_use_is_known_again(files: Files, api: EchoApi) -> None:
    files.ask({"custom_id": f"id {KEY}", "prompt": "a"})
    files.run(sdk_client(api), ordered=True)
    assert files.run(sdk_client(api)).before == 1
    assert api.asked["a"] == 1


def budgeted(client: object, usd_per_day: float, **options: Any) -> ChatClientWrapper:
    """A wrapper to which a call may cost a thousand dollars, and costs five."""
    budget = Budget(usd_per_day=usd_per_day, prices={"m": (0.0, 1e6)}, answer_tokens=1000, **options)
    return ChatClientWrapper(client, model="m", budget=budget)


def test_rows_wait_while_others_have_reserved_the_days_budget(files: Files) -> None:
    files.ask(*(f"{number}" for number in range(40)))
    with budgeted(AsyncFake(seconds=0.001), 2500) as chat:
        status = run(chat, files.input, files.output, workers=16)
    assert (status.answered, status.failed) == (40, 0)


def test_a_days_budget_that_is_spent_ends_the_batch_and_is_no_row(files: Files) -> None:
    files.ask(*(f"{number}" for number in range(40)))
    with budgeted(AsyncFake(seconds=0.001), 1050) as chat, pytest.raises(BudgetExceeded, match="resets at"):
        run(chat, files.input, files.output, workers=16)
    assert len(files.ids()) == 11


def test_a_row_that_is_too_dear_for_one_call_is_a_row_that_failed(files: Files) -> None:
    files.ask("a", {"custom_id": "b", "prompt": "b", "max_completion_tokens": 10})
    with budgeted(AsyncFake(seconds=0.001), 10_000, usd_per_call=100) as chat:
        status = run(chat, files.input, files.output)
    assert (status.answered, status.kinds) == (1, {"budget_exceeded": 1})


def test_the_log_of_a_call_has_the_id_of_its_row(files: Files) -> None:
    files.ask("a")
    seen = []

    def fails(_: str) -> None:
        seen.append(log_fields().get("custom_id"))

    files.run(AsyncFake(fails=fails))
    assert seen == ["a"]


def test_files_that_are_open_already(files: Files) -> None:
    output = io.BytesIO()
    with ChatClientWrapper(AsyncFake()) as chat:
        run(chat, io.BytesIO(b'{"prompt": "a"}\n{"prompt": "b"}'), output)
    assert {json.loads(line)["custom_id"] for line in output.getvalue().splitlines()} == {"line-1", "line-2"}


def test_a_batch_runs_once(files: Files) -> None:
    files.ask("a")
    with ChatClientWrapper(AsyncFake()) as chat, Batch(chat, files.input, files.output) as batch:
        batch.run()
        with pytest.raises(RuntimeError, match="runs once"):
            batch.run()
    assert files.ids() == ["a"]


def test_progress_is_called_after_each_row(files: Files) -> None:
    files.ask(*"abc")
    seen: list[tuple[int, int, int]] = []
    files.run(AsyncFake(), workers=1, progress=lambda now: seen.append((now.answered, now.left, now.tokens)))
    assert seen == [(1, 2, 14), (2, 1, 28), (3, 0, 42)]


def test_memory_does_not_grow_with_the_texts(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "safechat")  # pytest would keep each record

    async def create(**_: object) -> object:
        return completion("x" * 1000)

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    files.ask(*({"prompt": f"{number} " + "x" * 5000} for number in range(2000)))
    with ChatClientWrapper(client, limits=RateLimits(concurrency=8)) as chat:
        chat.generate("warm")
        tracemalloc.start()
        run(chat, files.input, files.output, workers=8)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 5e6, f"{peak / 1e6:.1f} MB for 10 MB of prompts"


class Prices:
    """A price list with a price of one dollar for a token of an answer, and none for a model 'free'."""

    Usage = SimpleNamespace

    @staticmethod
    def calc_price(usage: Any, *, model_ref: str, provider_api_url: str) -> Any:
        if model_ref == "free":
            raise LookupError(model_ref)
        return SimpleNamespace(total_price=usage.output_tokens)


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safechat.cost._price_list", lambda: Prices)


def costing(files: Files, count: int, **fields: object) -> None:
    """Rows whose answers cost five dollars each, and may cost eight."""
    files.ask(*({"prompt": f"{number}", "max_completion_tokens": 8, **fields} for number in range(count)))


@pytest.mark.usefixtures("priced")
def test_the_dollars_stay_below_their_limit_also_over_several_runs(files: Files, api: EchoApi) -> None:
    costing(files, 20)
    first = files.run(sdk_client(api), max_usd=31, workers=16)
    assert (first.over_budget, first.usd, first.answered) == (True, 25, 5)
    second = files.run(sdk_client(api), max_usd=40, workers=16)
    assert (second.over_budget, second.usd, second.answered) == (True, 35, 2)
    assert files.run(sdk_client(api)).usd == 100


@pytest.mark.usefixtures("priced")
def test_several_answers_to_a_row_may_cost_as_much(files: Files, api: EchoApi) -> None:
    costing(files, 2, n=4)
    status = files.run(sdk_client(api), max_usd=31)
    assert (status.over_budget, api.asked) == (True, {})


@pytest.mark.usefixtures("priced")
def test_a_model_without_a_price_is_refused_where_dollars_are_limited(files: Files, api: EchoApi) -> None:
    costing(files, 2, model="free")
    with pytest.raises(ValueError, match="no price of free at http"):
        files.run(sdk_client(api), max_usd=1)
    assert not api.asked


def billing(*answers: object, others: str = "full") -> tuple[openai.AsyncOpenAI, list[str]]:
    """A client whose requests get `answers` in turn, then `others`; and the models that were asked.

    An answer costs five dollars: "full" is good, "empty" is retried, "cut" is not. A number is the status of
    an error, which costs nothing; "lost" is a connection that breaks off.
    """
    asked: list[str] = []

    def answer(sent: httpx2.Request) -> httpx2.Response:
        asked.append(json.loads(sent.content)["model"])
        kind = answers[len(asked) - 1] if len(asked) <= len(answers) else others
        if kind == "lost":
            raise httpx2.ReadError("broken off")
        if isinstance(kind, int):
            return httpx2.Response(kind, json={"error": {"message": "as the test wants it"}})
        ending = "length" if kind == "cut" else "stop"
        return httpx2.Response(
            200, json=completion("" if kind == "empty" else "Selam!", finish_reason=ending)
        )

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return openai.AsyncOpenAI(api_key=KEY, base_url="http://127.0.0.1:1/v1", http_client=http_client), asked


def billed(files: Files, client: object, **options: Any) -> BatchStatus:
    """The run of a wrapper that tries three times."""
    arguments = {name: options.pop(name) for name in ("fallbacks", "budget", "cache") if name in options}
    with no_waiting(), ChatClientWrapper(client, model="m", **arguments) as chat:
        return run(chat, files.input, files.output, **options)


@pytest.mark.usefixtures("priced")
@pytest.mark.parametrize("max_usd", [None, 100])
@pytest.mark.parametrize(
    ("answers", "fallbacks", "kind", "usd"),
    [
        (["empty", "full"], [], None, 10),
        (["cut", "full"], ["n"], None, 10),
        (["cut"], [], "truncated_reply", 5),
        (["empty", "empty", "empty"], [], "empty_reply", 15),
        (["empty", 400], [], "request_rejected", 5),
        ([400], [], "request_rejected", None),
    ],
)
def test_a_row_costs_what_all_its_answers_cost(
    files: Files, answers: list[object], fallbacks: list[str], kind: str | None, usd: float, max_usd: Any
) -> None:
    costing(files, 1)
    status = billed(files, billing(*answers)[0], fallbacks=fallbacks, max_usd=max_usd)
    (line,) = files.lines()
    assert line["error"] is None if kind is None else line["error"]["kind"] == kind
    assert line["safechat"]["cost_usd"] == usd
    assert (status.usd, status.tokens) == (usd or 0, 14 * (usd or 0) / 5)


@pytest.mark.usefixtures("priced")
@pytest.mark.parametrize("workers", [1, 16])
def test_answers_that_are_paid_for_and_of_no_use_do_not_pass_the_limit(files: Files, workers: int) -> None:
    costing(files, 20)
    client, asked = billing(others="empty")
    status = billed(files, client, max_usd=31, workers=workers)
    assert status.over_budget
    assert (status.usd, len(asked)) == (25, 5)


@pytest.mark.usefixtures("priced")
def test_a_request_that_was_sent_and_not_answered_counts_as_the_most_that_it_could_cost(files: Files) -> None:
    costing(files, 1)
    status = billed(files, billing("lost", 429)[0], max_usd=100)
    assert (status.usd, files.lines()[0]["safechat"]["cost_usd"]) == (8 + 5, 8 + 5)


@pytest.mark.usefixtures("priced")
def test_without_a_limit_what_nobody_counted_costs_nothing(files: Files) -> None:
    costing(files, 1)
    assert billed(files, billing("lost")[0]).usd == 5


@pytest.mark.usefixtures("priced")
def test_a_row_that_the_limit_stops_between_two_requests_keeps_what_it_has_cost(files: Files) -> None:
    costing(files, 3)
    first = billed(files, billing("empty")[0], max_usd=10, workers=1)
    assert (first.over_budget, first.usd, files.ids()) == (True, 5, ["line-1"])
    client, asked = billing()
    second = billed(files, client, max_usd=10, workers=1)
    assert (second.usd, asked) == (5, [])


@pytest.mark.usefixtures("priced")
def test_what_failed_rows_have_cost_counts_in_all_later_runs(files: Files) -> None:
    costing(files, 2)
    runs = [billed(files, billing(others="cut")[0], max_usd=31, workers=1) for _ in range(5)]
    assert [(status.usd, status.over_budget) for status in runs] == [
        (10, False), (20, False), (25, True), (25, True), (25, True)
    ]  # fmt: skip
    last = billed(files, billing()[0], max_usd=100)
    assert (last.answered, last.usd) == (2, 35)
    assert sorted(line["safechat"]["cost_usd"] for line in files.lines()) == [15, 20]


@pytest.mark.usefixtures("priced")
def test_a_row_waits_for_the_others_when_its_next_request_has_no_room(files: Files) -> None:
    costing(files, 4)
    status = billed(files, billing("empty", "empty", "empty", "empty")[0], max_usd=8 * 4 + 20, workers=4)
    assert (status.answered, status.failed, status.usd) == (4, 0, 40)


@pytest.mark.usefixtures("priced")
def test_what_a_row_has_cost_before_an_error_that_ends_all_is_kept(files: Files) -> None:
    costing(files, 3)
    with pytest.raises(AuthenticationFailed):
        billed(files, billing("empty", 401)[0], workers=1)
    (line,) = files.lines()
    assert (line["error"]["kind"], line["safechat"]["cost_usd"]) == ("authentication_failed", 5)


@pytest.mark.usefixtures("priced")
def test_a_fallback_without_a_price_is_refused_where_dollars_are_limited(files: Files) -> None:
    costing(files, 1)
    client, asked = billing()
    with pytest.raises(ValueError, match="no price of free at http"):
        billed(files, client, fallbacks=["free"], max_usd=100)
    assert not asked


@pytest.mark.usefixtures("priced")
def test_the_prices_of_the_wrappers_budget_count(files: Files) -> None:
    costing(files, 2, model="free")
    budget = Budget(usd_per_day=1000, prices={"free": (0.0, 2e6)})
    status = billed(files, billing()[0], budget=budget, max_usd=19, workers=1)
    assert (status.over_budget, status.usd, files.lines()[0]["safechat"]["cost_usd"]) == (True, 10, 10)
    assert budget.spent_usd == 10


@pytest.mark.usefixtures("priced")
def test_an_answer_from_the_cache_costs_nothing(files: Files, tmp_path: Path) -> None:
    costing(files, 1)
    cache = DiskCache(tmp_path / "cache")
    costs = []
    for _ in range(2):
        billed(files, billing()[0], cache=cache, max_usd=100)
        costs.append(files.lines()[0]["safechat"]["cost_usd"])
        files.output.unlink()
    cache.close()
    assert costs == [5, 0]


@pytest.mark.usefixtures("priced")
@pytest.mark.parametrize(
    ("fields", "answers", "usd"), [({}, (16, 0), 16), ({"max_completion_tokens": None}, (0, 2), None)]
)
def test_an_estimate_asks_nothing_and_touches_no_file(
    files: Files, api: EchoApi, fields: dict[str, object], answers: tuple[int, int], usd: float | None
) -> None:
    costing(files, 2, **fields)
    with ChatClientWrapper(sdk_client(api)) as chat, Batch(chat, files.input, files.output) as prepared:
        estimate = prepared.estimate()
    assert estimate == Estimate(2, 16, *answers, 0, usd)
    assert not api.asked
    assert not files.output.exists()


@pytest.mark.parametrize("options", [{"workers": 0}, {"limit": 0}, {"max_usd": 0}, {"deadline": -1}])
def test_a_wrong_argument_is_refused(files: Files, options: dict[str, Any]) -> None:
    files.ask("a")
    with pytest.raises(ValueError, match=next(iter(options))):
        files.run(AsyncFake(), **options)


@pytest.mark.parametrize("wrapper_api", ["chat", "responses", "auto"])
@pytest.mark.parametrize(
    ("row", "answering", "body"),
    [
        ({"prompt": "Merhaba"}, "chat", "chat.completion"),
        ({"url": "/v1/chat/completions", "body": {"messages": QUESTION}}, "chat", "chat.completion"),
        ({"url": "/v1/responses", "body": {"input": "Merhaba"}}, "responses", "response"),
    ],
)
def test_the_body_of_an_answer_is_that_of_the_api_that_the_row_is_for(
    files: Files, wrapper_api: Any, row: dict[str, object], answering: str, body: str
) -> None:
    files.ask({"custom_id": "a", **row})
    with answering_both(Said("Selam!")) as server:
        client = openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url)
        with ChatClientWrapper(client, api=wrapper_api) as chat:
            run(chat, files.input, files.output)
            again = run(chat, files.input, files.output)
    asked = "responses" if wrapper_api == "responses" else answering
    assert [path.endswith("/responses") for path in server.paths] == [asked == "responses"]
    assert again.before == 1
    (line,) = files.lines()
    answer = line["response"]["body"]
    assert answer["object"] == body
    assert answer["model"]
    if body == "chat.completion":
        assert answer["choices"][0]["message"]["content"] == "Selam!"
        assert answer["usage"]["total_tokens"]
    else:
        assert answer["output"][0]["content"][0]["text"] == "Selam!"


def test_a_row_for_the_responses_api_goes_there_as_it_is(files: Files) -> None:
    asked = {"model": "m", "input": [{"role": "user", "content": "?"}], "max_output_tokens": 9, "top_k": 3}
    files.ask({"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": asked})
    with answering_both(Said("Selam!")) as server:
        files.run(openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url))
    assert server.requests == [asked]
