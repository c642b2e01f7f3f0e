"""redact: keys by their shape, their name and their place, also encoded and cut; and what is left alone."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import openai
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import safechat.redact as redaction
from clients import KEY
from generated import around, bodies, forget_keys, fuzz, literal, shaped
from safechat import ChatClientWrapper, ChatError, configure_logging
from safechat.redact import (
    REDACTED,
    redact,
    redacted,
    redacted_start,
    remember,
    remember_named,
    remember_url,
    safe_str,
)
from wire import http, wire


@pytest.fixture(autouse=True)
def _keys_as_before() -> Iterator[None]:
    """Keys that these tests make up are forgotten."""
    remembered, literals = dict(redaction._remembered), redaction._literals
    yield
    redaction._remembered.clear()
    redaction._remembered.update(remembered)
    redaction._literals = literals


# By shape.


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-Zk3x9Q7mT1vB8nR5wY2c",
        "gsk_Zk3x9Q7mT1vB8nR5wY2c",
        "AIzaSyA-1234567890abcdefghijklmnopqrstu",
        "hf_ZkxQmTvBnRwYcZkxQm",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "xai-Zk3x9Q7mT1vB8nR5wY2c",
        "pplx-Zk3x9Q7mT1vB8nR5wY2c",
        "nvapi-Zk3x9Q7mT1vB8nR5wY2c",
        "ghp_Zk3x9Q7mT1vB8nR5wY2c",
        "xoxb-123456789012-abcdefGHIJ",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "eyJhbGciOiJIUzI1NiJ9cut",
        "Basic dXNlcjpwYXNzd29yZDEyMw==",
        "Bearer Bearer Zk3x9Q7mT1vB8nR5wY2c",
    ],
)
def test_keys_are_known_by_their_shape(key: str) -> None:
    assert redact(f"the key {key}, and more") == f"the key {REDACTED}, and more"


# By name.


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("api_key=kedi1234", f"api_key={REDACTED}"),
        ("OPENAI_API_KEY=kedi", f"OPENAI_API_KEY={REDACTED}"),
        ("GET /v1?api-key=kedi&x=1", f"GET /v1?api-key={REDACTED}&x=1"),
        ('{"authorization": "Token kedi köpek", "x": 1}', f'{{"authorization": "{REDACTED}", "x": 1}}'),
        ("{'x-api-key': b'kedi'}", f"{{'x-api-key': b'{REDACTED}'}}"),
        (r"{\"api_key\": \"kedi\", \"x\": 1}", rf"{{\"api_key\": \"{REDACTED}\", \"x\": 1}}"),
        ("Authorization: Digest kedi1234", f"Authorization: Digest {REDACTED}"),
        ("password=kedi;", f"password={REDACTED};"),
        ("Client_Secret : kedi1234", f"Client_Secret : {REDACTED}"),
        ("postgres://ali:kedi@db/x", f"postgres://ali:{REDACTED}@db/x"),
        ("https://:kedi@proxy:8080", f"https://:{REDACTED}@proxy:8080"),
    ],
)
def test_a_value_is_taken_out_by_its_name(text: str, clean: str) -> None:
    assert redact(text) == clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "prompt_tokens=123456, max_tokens: 400000",
        "the password: must be given",
        "set OPENAI_API_KEY in the environment or in .env",
        "api_key=None",
        'password=""',
        "https://api.openai.com:443/v1/chat",
        "mailto:ali@ornek.com",
        "finish_reason=stop request_id=req_1234567",
    ],
)
def test_other_values_are_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_field_is_taken_out_by_its_name() -> None:
    fields = {"password": "kedi", "x": {"api-key": b"kedi", "note": "kedi"}, "secret": 17, "cookie": None}
    clean = {
        "password": REDACTED,
        "x": {"api-key": REDACTED, "note": "kedi"},
        "secret": REDACTED,
        "cookie": None,
    }
    assert redacted(fields) == clean


# What is no secret.


@pytest.mark.parametrize(
    "word", ["ollama", "test", "EMPTY", "not-needed", "lm-studio", "Placeholder", "dummy key"]
)
def test_a_word_in_the_place_of_a_key_does_not_eat_other_text(word: str) -> None:
    remember(word)
    assert redact(f"a {word} b") == f"a {word} b"


@pytest.mark.parametrize("key", ["kedi42", "Kedi-köpek", "averyveryverylongword"])
def test_a_short_key_that_is_no_word_is_a_secret(key: str) -> None:
    remember(key)
    assert redact(f"a {key} b") == f"a {REDACTED} b"


# Time.


@pytest.mark.parametrize(
    "piece",
    ["ask-", "eyJ", "Bearer ", "Basic ", "api_key: ", "api_key : ", "://u:p", "://a:", "hvs.", 'api_key":"\\',
     "sk-a-", "secret", 'password"\\\\"', "access_key='a", "xoxb-", "AIza"],
)  # fmt: skip
def test_the_time_is_linear_in_the_length_of_the_text(piece: str) -> None:
    few, many_pieces = piece * 2_000, piece * 16_000
    # Eight times the text, and not sixty-four times the time: with room for a busy machine.
    assert seconds(lambda: redact(many_pieces)) < 30 * seconds(lambda: redact(few)) + 0.05


def seconds(work: Callable[[], object]) -> float:
    """The processor time of `work`, the best of three."""

    def once() -> float:
        started = time.process_time()
        work()
        return time.process_time() - started

    return min(once() for _ in range(3))


# In any place, encoded, and cut.

PART = 8  # characters: fewer of a key are no use to anybody

# How a literal key comes to be known.
KNOWN: dict[str, Callable[[str], None]] = {
    "as the key in use": remember,
    "by its header": lambda key: remember_named({"X-Gateway-Token": f"Bearer {key}"}),
    "by its parameter": lambda key: remember_named({"api-key": key}),
    "by the query of an address": lambda key: remember_url(f"https://x/v1?{urlencode({'api-key': key})}"),
    "by the user of an address": lambda key: remember_url(f"https://ali:{quote(key, safe='')}@x/v1"),
}
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in a URL": lambda key: quote(key, safe=""),
    "in a form": quote_plus,
    "in JSON": lambda key: json.dumps(key)[1:-1],
    "in base64": lambda key: base64.b64encode(f"ali:{key}".encode()).decode(),
    "in base64 for URLs": lambda key: base64.urlsafe_b64encode(f"a:{key}".encode()).decode(),
}
BARE = ("%s", "'%s'", "%s%%", "?x=%s&y=1", "Bearer %s")
NAMED = (
    "api_key=%s", "GET /v1?api-key=%s&x=1", '{"authorization": "%s", "x": 1}', r'{\"password\": \"%s\"}',
    "Client_Secret : 1%s", "postgres://ali:%s@db/x", "{'x-api-key': b'%s'}",
)  # fmt: skip


@st.composite
def secrets_in_text(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """How a secret is known, the secret, as it stands in a text, and that text: '%s' in place of it."""
    known = draw(st.sampled_from([*KNOWN, "by its shape", "by its name"]))
    place = draw(st.sampled_from(NAMED if known == "by its name" else (*BARE, *NAMED)))
    text = draw(around).replace("%", "") + place + draw(around).replace("%", "")
    if known == "by its shape":
        secret = encoded = draw(shaped)
    elif known == "by its name":
        secret = encoded = draw(bodies)
    else:
        secret, encoding = draw(literal), draw(st.sampled_from(list(ENCODINGS)))
        assume(len(secret) >= 16 or "base64" not in encoding)
        encoded = ENCODINGS[encoding](secret)
    return known, secret, encoded, text


@fuzz
@given(case=secrets_in_text(), cut=st.none() | st.integers(0, 90))
def test_no_part_of_a_secret_gets_through(case: tuple[str, str, str, str], cut: int | None) -> None:
    """Wherever it stands, however it is encoded, and wherever the text is cut."""
    known, secret, encoded, place = case
    forget_keys()
    if known in KNOWN:
        KNOWN[known](secret)
    parts = {encoded[start : start + PART] for start in range(len(encoded) - PART + 1)}
    assume(not any(part in place.replace("%s", "-") + REDACTED for part in parts))
    text = place.replace("%s", encoded).replace("%%", "%")
    clean = redact(text) if cut is None else redacted_start(text, cut)
    assert not [part for part in sorted(parts) if part in clean], clean


def test_a_shape_that_ends_within_a_known_key_leaves_none_of_it() -> None:
    remember("kedi42#köpek-anahtarı")
    assert redact("Bearer kedi42#köpek-anahtarı!") == f"{REDACTED}!"


def test_a_cut_before_the_end_of_a_named_value_leaves_none_of_it() -> None:
    text = "postgres://ali:kedi-köpek@db/x"
    assert redacted_start(text, len("postgres://ali:ke")) == f"postgres://ali:{REDACTED}"


# By place.

PLACES: dict[str, dict[str, Any]] = {
    "api_key": {},
    "default_headers": {"default_headers": {"x-gateway-token": "gateway-kedi-42"}},
    "default_query": {"default_query": {"api-key": "gateway-kedi-42"}},
}


@pytest.mark.parametrize("place", [*PLACES, "extra_headers", "extra_query", "user in the address"])
def test_a_secret_is_known_by_its_place(place: str, tmp_path: Path) -> None:
    """The server quotes it, under no name."""
    secret = KEY if place == "api_key" else "gateway-kedi-42"
    path = tmp_path / "chat.log"
    quoting = json.dumps({"error": {"message": f"who is {secret}? or {quote(secret)}?"}}).encode()
    with wire(lambda peer: peer.say(http(quoting, status="400 Bad Request"))) as server:
        url = server.base_url
        if place == "user in the address":
            url = url.replace("://", f"://user:{secret}@")
        client = openai.AsyncOpenAI(api_key=KEY, base_url=url, **PLACES.get(place, {}))
        places: dict[str, dict[str, Any]] = {
            "extra_headers": {"extra_headers": {"Helicone-Authorization": f"Bearer {secret}"}},
            "extra_query": {"extra_query": {"subscription-key": secret}},
        }
        extra = places.get(place, {})
        with configure_logging(path), ChatClientWrapper(client) as chat, pytest.raises(ChatError) as caught:
            chat.generate("Merhaba", **extra)
    assert secret not in str(caught.value) + path.read_text(encoding="utf-8")
    assert "who is [redacted]?" in str(caught.value)


def test_an_azure_token_is_known_whatever_gives_it(tmp_path: Path) -> None:
    token = "azure-ad-kedi-42"
    quoting = json.dumps({"error": {"message": f"who is {token}?"}}).encode()
    with wire(lambda peer: peer.say(http(quoting, status="400 Bad Request"))) as server:
        client = openai.AzureOpenAI(
            azure_endpoint=server.base_url, api_version="1", azure_ad_token_provider=lambda: token
        )
        with ChatClientWrapper(client) as chat, pytest.raises(ChatError) as caught:
            chat.generate("Merhaba")
    assert "who is [redacted]?" in str(caught.value)


def test_the_password_of_an_address_is_a_secret() -> None:
    remember_url("https://ali:k%2Fedi42@gateway/v1?api-key=kedi-4711&x=ordinary77")
    assert redact("k/edi42 k%2Fedi42 kedi-4711 ordinary77") == f"{REDACTED} {REDACTED} {REDACTED} ordinary77"


@pytest.mark.parametrize("value", [None, True, False])
@pytest.mark.parametrize("name", ["", "password"])
def test_none_and_booleans_stay(value: object, name: str) -> None:
    assert redacted(value, name) is value


@pytest.mark.parametrize("value", [0, 1234, -7, 812.5, 0.0])
def test_numbers_stay_numbers(value: float) -> None:
    assert redacted(value) is value


@pytest.mark.parametrize(("value", "text"), [(float("inf"), "inf"), (float("nan"), "nan")])
def test_a_number_that_json_does_not_know_becomes_its_text(value: float, text: str) -> None:
    assert redacted(value) == text


def test_anything_else_becomes_its_text() -> None:
    assert redacted(ValueError("sk-steps-Zk3x9Q7mT1vB8nR5 is wrong")) == "[redacted] is wrong"
    assert redacted(b"raw") == "b'raw'"


@pytest.mark.parametrize("value", ["kedi", 4321, 0, 1.5, b"kedi", ValueError("kedi")])
@pytest.mark.parametrize("name", ["password", "X-Api-Key"])
def test_what_stands_under_a_secret_name_is_taken_out(value: object, name: str) -> None:
    assert redacted(value, name) == REDACTED


def test_an_empty_text_stays_under_a_secret_name() -> None:
    assert redacted("", "password") == ""


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(("name", "clean"), [("", safe_str(Unreadable())), ("password", REDACTED)])
def test_a_value_without_a_text_breaks_nothing(name: str, clean: str) -> None:
    assert redacted(Unreadable(), name) == clean
