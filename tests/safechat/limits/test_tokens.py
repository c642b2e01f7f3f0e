"""The estimate of tokens starts cautious and comes near what the API counts."""

from __future__ import annotations

from typing import Any

from safechat import ChatReply, ChatRequest, Usage
from safechat.limits.tokens import TokenEstimator

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
