"""A cost is that of the model at the address that answered, and is never guessed."""

from __future__ import annotations

import httpx2
import openai
import pytest

from clients import KEY
from safechat import ChatClientWrapper, ChatReply, Usage, cost
from safechat.cost import CostSum
from wire import completion

USAGE = Usage(prompt_tokens=1000, completion_tokens=500, total_tokens=1500, cached_tokens=100)


def test_the_cost_is_that_of_the_model_at_its_address() -> None:
    reply = ChatReply("ok", "gpt-5-mini-2025-08-07", usage=USAGE, base_url="https://api.openai.com/v1/")
    cheaper = ChatReply("ok", "gpt-5-nano", usage=USAGE, base_url="https://api.openai.com/v1/")
    assert reply.cost_usd is not None
    assert cheaper.cost_usd is not None
    assert 0 < cheaper.cost_usd < reply.cost_usd < 0.01


@pytest.mark.parametrize(
    ("usage", "model", "url"),
    [
        (None, "gpt-5-mini", "https://api.openai.com/v1"),
        (USAGE, "bir-model", "https://api.openai.com/v1"),
        (USAGE, "gpt-5-mini", "http://127.0.0.1:8000/v1"),
        (USAGE, "gpt-5-mini", None),
        (Usage(prompt_tokens=9, cached_tokens=20), "gpt-5-mini", "https://api.openai.com/v1"),
    ],
)
def test_a_cost_is_never_guessed(usage: Usage | None, model: str, url: str | None) -> None:
    assert ChatReply("ok", model, usage=usage, base_url=url).cost_usd is None


def test_without_the_price_list_there_is_no_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_price_list", lambda: None)
    assert ChatReply("ok", "gpt-5-mini", usage=USAGE, base_url="https://api.openai.com/v1").cost_usd is None


def test_a_reply_of_the_sdk_knows_its_address() -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=completion()))
    client = openai.AsyncOpenAI(api_key=KEY, http_client=httpx2.AsyncClient(transport=transport))
    with ChatClientWrapper(client) as chat:
        reply = chat.generate("Merhaba")
    assert reply.base_url == "https://api.openai.com/v1/"
    assert reply.cost_usd is not None


@pytest.mark.parametrize(
    ("host", "model"),
    [("api.openai.com", "gpt-5-mini"), ("generativelanguage.googleapis.com", "gemini-2.5-pro")],
    ids=["even", "with steps"],
)
def test_a_sum_of_costs_is_the_sum_of_the_costs(host: str, model: str) -> None:
    calls = [
        Usage(prompt_tokens=prompt, completion_tokens=70, cached_tokens=30)
        for prompt in (100, 150_000, 250_000)
    ]
    costs = [ChatReply("ok", model, usage=usage, base_url=f"https://{host}/").cost_usd for usage in calls]
    total = CostSum()
    for usage in calls:
        total.add(host, model, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
    assert None not in costs
    assert total.total() == pytest.approx(sum(cost or 0 for cost in costs))


def test_calls_without_a_price_sum_up_to_none() -> None:
    total = CostSum()
    assert total.total() is None
    total.add("127.0.0.1", "gpt-5-mini", 100, 100, 0)
    assert total.total() is None
