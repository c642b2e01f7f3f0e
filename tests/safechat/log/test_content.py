"""Prompts and answers are logged only when asked for, cut and masked."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from clients import KEY
from safechat import ChatClientWrapper, configure_logging
from safechat.log.content import LENGTH, logged_text, masked
from safechat.redact import remember
from safechat.testing import ScriptedClient

# Numbers whose checksums hold, of nobody: the banks' and the card makers' own examples.
PERSONAL = {
    "ali.veli+is@ornek.com.tr": "[email]",
    "TR33 0006 1005 1978 6457 8413 26": "[iban]",
    "TR330006100519786457841326": "[iban]",
    "GB82WEST12345698765432": "[iban]",
    "4111 1111 1111 1111": "[card]",
    "5500-0000-0000-0004": "[card]",
    "10000000146": "[tckn]",
    "+90 532 123 45 67": "[phone]",
    "0532 123 45 67": "[phone]",
    "0(212) 123 45 67": "[phone]",
    "+905321234567": "[phone]",
    "05321234567": "[phone]",
    "0532-123-45-67": "[phone]",
    "0532 123 4567": "[phone]",
    "0532/1234567": "[phone]",
    "0 532 123 45 67": "[phone]",
    "(0532) 123 45 67": "[phone]",
    "(532) 123 45 67": "[phone]",
    "532 123 45 67": "[phone]",
    "532.123.45.67": "[phone]",
    "5321234567": "[phone]",
    "+90(532)1234567": "[phone]",
    "0090 532 123 45 67": "[phone]",
    "90 532 123 45 67": "[phone]",
    "0850 222 0 600": "[phone]",
    "444 0 123": "[phone]",
}


@pytest.mark.parametrize("personal", PERSONAL)
def test_personal_data_with_a_shape_is_masked(personal: str) -> None:
    assert masked(f"Bilgim: {personal}, teşekkürler.") == f"Bilgim: {PERSONAL[personal]}, teşekkürler."


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("TR330006100519786457841326 nolu hesap", "[iban] nolu hesap"),
        ("TR33 0006 1005 1978 6457 8413 26 hesabıma 250 TL", "[iban] hesabıma 250 TL"),
        ("TR330006100519786457841326nolu", "[iban]nolu"),
        ("GB82WEST12345698765432 please", "[iban] please"),
        ("4111 1111 1111 1111 12/27 cvv 123", "[card] 12/27 cvv 123"),
        ("4111111111111111 123", "[card] 123"),
        ("3 5500-0000-0000-0004 2", "3 [card] 2"),
        ("4111111111111111dir", "[card]dir"),
    ],
)
def test_text_right_beside_a_number_does_not_hide_it(text: str, clean: str) -> None:
    assert masked(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "212.123.45.67 adresi",
        "toplam 4440123",
        "sipariş 12345678901",
        "4111 1111 1111 1112",
        "TR00 0006 1005 1978 6457 8413 26",
        "2026-11-24 09:30",
        "3,14159265358979",
        "v1.2.3",
    ],
)
def test_numbers_whose_checksum_fails_are_left_alone(text: str) -> None:
    assert masked(text) == text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.log"


def test_content_is_logged_only_when_asked_for(path: Path) -> None:
    with (
        configure_logging(path, content=True),
        ChatClientWrapper(ScriptedClient("0532 123 45 67 mi?")) as chat,
    ):
        chat.generate([{"role": "system", "content": "Kısa."}, {"role": "user", "content": "ali@ornek.com"}])
        chat.generate("x" * 5000)
    with configure_logging(path), ChatClientWrapper(ScriptedClient("gizli")) as chat:
        chat.generate("gizli")
    first, second, third = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert (first["prompt"], first["answer"]) == ("system: Kısa.\nuser: [email]", "[phone] mi?")
    assert second["prompt"].endswith("… (5006 characters)")
    assert len(second["prompt"]) < LENGTH + 30
    assert not {"prompt", "answer"} & set(third)


def test_a_key_in_a_prompt_is_taken_out_too(path: Path) -> None:
    with configure_logging(path, content=True), ChatClientWrapper(ScriptedClient("ok")) as chat:
        chat.generate(f"anahtarım {KEY}")
    assert KEY not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "secret", [KEY, f"Bearer {KEY}", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh", *PERSONAL]
)
def test_nothing_of_a_secret_or_of_personal_data_is_left_by_the_cut(secret: str) -> None:
    for begins in range(LENGTH - len(secret) - 1, LENGTH + 2):
        text = "-" * (begins - 1) + " " + secret + " " + "." * LENGTH
        shown = logged_text(text).split("…")[0]
        assert shown.strip("-. ") in ("", PERSONAL.get(secret, "[redacted]"))


def test_a_key_in_use_without_a_shape_is_not_cut_in_two_however_long_it_is() -> None:
    secret = "gizli anahtar " * 100
    remember(secret)
    assert "gizli" not in logged_text("-" * (LENGTH - 5) + secret + "-" * LENGTH)


def test_a_key_that_holds_a_number_like_a_card_is_taken_out_whole() -> None:
    assert logged_text("sk-proj-4111111111111111-abcdefgh") == "[redacted]"


@pytest.mark.parametrize("text", ["ask-" * 12_000, "a" * 48_000, "1 " * 24_000, "a.b@" * 12_000])
def test_the_time_for_a_long_text_does_not_grow_with_its_length(text: str) -> None:
    def seconds(text: str) -> float:
        started = time.process_time()
        logged_text(text)
        return time.process_time() - started

    short = text[: LENGTH + 600]
    seconds(short)
    assert min(seconds(text) for _ in range(3)) < 10 * max(seconds(short) for _ in range(3)) + 0.01
