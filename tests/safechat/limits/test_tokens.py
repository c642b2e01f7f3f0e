"""The estimate of tokens starts cautious and comes near what the API counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from limited_apis import limited
from safechat import ChatReply, ChatRequest, Usage
from safechat.limits.tokens import TokenEstimator, least_tokens
from virtual_time import now, run

TURKISH = "Yapay zekâ sistemlerinde hata yönetimi, loglama ve hız sınırlaması olmadan canlıya çıkılmaz."
TURKISH_TOKENS = 29  # about 3.2 characters a token, as Turkish prose has


def request(text: Any, **params: Any) -> ChatRequest:
    return ChatRequest(messages=({"role": "user", "content": text},), model="m", params=params)


def reply(prompt: int, completion: int = 0) -> ChatReply:
    return ChatReply("tamam", "m", usage=Usage(prompt, completion, prompt + completion))


def test_the_first_estimate_of_turkish_is_not_too_low() -> None:
    assert TokenEstimator().estimate(request(TURKISH)) >= TURKISH_TOKENS


def test_the_ratio_is_learned_from_usage() -> None:
    estimator = TokenEstimator()
    for _ in range(5):
        estimator.learn(request(TURKISH * 10), reply(TURKISH_TOKENS * 10 + 7))
    estimate = estimator.estimate(request(TURKISH * 3))
    assert abs(estimate - (TURKISH_TOKENS * 3 + 7)) <= 2


def test_each_model_has_a_ratio_of_its_own() -> None:
    estimator = TokenEstimator()
    before = estimator.estimate(ChatRequest(messages=({"role": "user", "content": TURKISH},), model="other"))
    estimator.learn(request(TURKISH), reply(1000))
    after = estimator.estimate(ChatRequest(messages=({"role": "user", "content": TURKISH},), model="other"))
    assert before == after


def test_a_budget_for_the_answer_counts_and_otherwise_the_usual_answer() -> None:
    estimator = TokenEstimator()
    plain = estimator.estimate(request("x" * 100))
    assert estimator.estimate(request("x" * 100, max_completion_tokens=500)) == plain + 500
    for _ in range(50):
        estimator.learn(request("x" * 100), reply(57, 200))
    assert abs(estimator.estimate(request("x" * 100)) - 257) <= 2


def test_a_reply_without_usage_teaches_nothing() -> None:
    estimator = TokenEstimator()
    before = estimator.estimate(request(TURKISH))
    estimator.learn(request(TURKISH), ChatReply("tamam", "m"))
    estimator.learn(request(TURKISH), reply(0))
    assert estimator.estimate(request(TURKISH)) == before


def test_parts_and_tools_count() -> None:
    estimator = TokenEstimator()
    text = estimator.estimate(request([{"type": "text", "text": "x" * 100}]))
    assert text == estimator.estimate(request("x" * 100))
    assert estimator.estimate(request([{"type": "image_url", "image_url": {"url": "…"}}])) > 500
    assert estimator.estimate(request("x", tools=[{"name": "ara" * 100}])) > 100


WORDS = "kelime " * 800  # 5,600 characters, at most 1,800 tokens
IMAGE = [{"type": "text", "text": "Bu resimde ne"}, {"type": "image_url", "image_url": {"url": "…"}}]


def test_a_request_with_an_image_teaches_nothing_about_text() -> None:
    estimator = TokenEstimator()
    before = estimator.estimate(request(WORDS))
    for _ in range(50):
        estimator.learn(request(IMAGE), reply(1670))
    assert estimator.estimate(request(WORDS)) == before


def test_a_hidden_system_prompt_is_a_constant_share() -> None:
    estimator = TokenEstimator()
    for _ in range(50):
        estimator.learn(request("Merhaba, nasılsın?"), reply(1670))
    assert abs(estimator.estimate(request("Selam, nasıl gidiyor?")) - 1670) < 10
    assert estimator.estimate(request(WORDS)) < 1670 + 0.6 * len(WORDS)


def test_the_ratio_and_the_constant_are_learned_apart_from_requests_that_differ() -> None:
    estimator = TokenEstimator()
    for number in range(50):
        characters = 100 + number * 97 % 3000
        estimator.learn(request("x" * characters), reply(round(7 + 900 + 0.3 * characters)))
    assert abs(estimator.estimate(request("x" * 10_000)) - (7 + 900 + 3000)) < 100


@pytest.mark.parametrize(("tokens", "ratio"), [(100_000, 1.2), (10, 0.1)])
def test_the_ratio_stays_in_believable_bounds(tokens: int, ratio: float) -> None:
    estimator = TokenEstimator()
    for length in (1000, 2000, 3000) * 10:
        estimator.learn(request("x" * length), reply(tokens * length // 1000))
    grown = estimator.estimate(request("x" * 20_000)) - estimator.estimate(request("x" * 10_000))
    assert grown == pytest.approx(ratio * 10_000, rel=0.01)


def test_the_least_that_a_request_can_cost_does_not_depend_on_what_was_learned() -> None:
    assert least_tokens(request("x" * 1000)) == 100 + 7
    assert least_tokens(request("x" * 1000, max_tokens=500)) == 100 + 7 + 500
    assert least_tokens(request(IMAGE)) < 20


@pytest.mark.parametrize("usage", [Usage(10, 25_000, 25_010), Usage(25_000, 10, 25_010)])
def test_one_odd_answer_makes_no_later_call_too_late(usage: Usage) -> None:
    """A model that thought for long, a server that searched the web: the next call has less time than a call
    like that would have to wait for."""
    usages = iter([usage])

    async def server(_: ChatRequest) -> ChatReply:
        return ChatReply("tamam", "m", usage=next(usages, Usage(10, 10, 20)))

    async def main() -> None:
        layer = limited(server, tokens_per_minute=30_000)
        await layer(request("Selam"))
        await asyncio.sleep(60)
        started = now()
        await layer(replace(request("Selam"), deadline=started + 30))
        assert now() - started == pytest.approx(15, rel=0.01), "half of its time"
        await layer(replace(request("Selam"), deadline=now() + 30))
        assert now() - started < 16, "and its usage has corrected the estimate"

    run(main())


def test_one_odd_request_makes_no_later_one_too_large() -> None:
    """A call with an image, and calls to a server that adds a prompt: then a plain text goes."""
    usages = iter([Usage(1670, 5, 1675), Usage(1600, 5, 1605)])

    async def server(_: ChatRequest) -> ChatReply:
        return ChatReply("tamam", "m", usage=next(usages, None))

    async def main() -> None:
        layer = limited(server, tokens_per_minute=60_000)
        await layer(request(IMAGE))
        await layer(request("Selam"))
        started = now()
        await layer(request(WORDS))
        assert now() - started < 10

    run(main())
