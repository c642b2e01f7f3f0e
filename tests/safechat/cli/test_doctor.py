"""`safechat doctor`: every link that may be broken is named, with what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from command import safechat
from odev.classroom.api import APIServer, ClassroomAPI
from safechat import VaultKeys
from safechat.cli.doctor import Check, examine
from servers import API_KEY, Secret, Server, furnish


@pytest.fixture(scope="module")
def api() -> Iterator[ClassroomAPI]:
    server = APIServer(API_KEY)
    yield server.start()
    server.stop()


@pytest.fixture
def environment(api: ClassroomAPI, secret: Secret, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """All that a call needs, with the key in Vault."""
    names = {
        "OPENAI_BASE_URL": api.base_url,
        "VAULT_ADDR": secret.server.address,
        "VAULT_ROLE_ID": secret.role_id,
        "VAULT_SECRET_ID": secret.secret_id,
        "SAFECHAT_KEY_PATH": secret.path,
    }
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    return names


async def checks(today: date | None = None) -> list[Check]:
    return [check async for check in examine(today=today)]


VAULT = ["settings", "Vault", "unsealed", "login", "path", "field", "API", "model"]


async def test_every_check_that_passes_is_shown(environment: dict[str, str]) -> None:
    results = await checks()
    assert [check.name for check in results] == VAULT
    assert all(check.ok for check in results)


BROKEN = [
    ("SAFECHAT_TIMEOUT", "soon", "settings", "SAFECHAT_TIMEOUT"),
    ("VAULT_ROLE_ID", "", "Vault's settings", "VAULT_ROLE_ID"),
    ("VAULT_ADDR", "http://10.1.2.3:8200", "Vault's settings", "plain http"),
    ("VAULT_ADDR", "http://127.0.0.1:9", "Vault", "no connection"),
    ("VAULT_SECRET_ID", "wrong-wrong", "login", "role_id or the secret_id"),
    ("SAFECHAT_KEY_PATH", "some/where", "path", "denied"),
    ("SAFECHAT_KEY_FIELD", "token", "field", "api_key"),
    ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1", "API", "Connection error"),
    ("SAFECHAT_MODEL", "gpt-2", "model", "gpt-2 is not listed"),
    ("SAFECHAT_FALLBACKS", "gpt-4o,gpt-3", "model", "gpt-3 is not listed"),
]


@pytest.mark.parametrize(("name", "value", "where", "words"), BROKEN)
async def test_the_link_that_is_broken_is_named_and_ends_it(
    name: str,
    value: str,
    where: str,
    words: str,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    *before, last = await checks()
    assert all(check.ok for check in before)
    assert (last.name, last.ok) == (where, False)
    assert words in last.result
    assert last.advice
    assert environment["VAULT_SECRET_ID"] not in str(before) + str(last)


@pytest.mark.parametrize(
    ("today", "ok"),
    [
        (date(2026, 9, 11), True),  # 91 days before
        (date(2026, 9, 12), None),
        (date(2026, 11, 26), None),
        (date(2026, 11, 27), False),  # 14 days before
        (date(2026, 12, 12), False),
    ],
)
async def test_a_shutdown_is_a_warning_from_90_days_before_and_a_failure_from_14(
    today: date, ok: bool | None, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFECHAT_FALLBACKS", "gpt-5-mini")
    *_, default, fallback = await checks(today)
    assert (default.name, default.ok) == ("model", True)
    assert (fallback.name, fallback.ok) == ("model", ok)
    assert "shut down on 2026-12-11; OpenAI recommends gpt-6.1-terra" in fallback.result
    assert bool(fallback.advice) is (ok is not True)


async def test_a_key_that_the_api_refuses_is_named(environment: dict[str, str], secret: Secret) -> None:
    secret.put(api_key="sk-proj-wrong000000000000")
    *before, last = await checks()
    assert all(check.ok for check in before)
    assert (last.name, last.ok) == ("API", False)
    assert "401" in last.result
    assert "put a new one" in last.advice
    assert "sk-proj-wrong" not in str(last)


async def test_a_sealed_vault_is_named(
    own_server: Server, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = furnish(own_server)
    monkeypatch.setenv("VAULT_ADDR", own_server.address)
    secret.root.sys.seal()
    results = await checks()
    assert [(check.name, check.ok) for check in results] == [
        ("settings", True),
        ("Vault", True),
        ("unsealed", False),
    ]


async def test_a_wrapped_secret_id_is_not_used_up(
    environment: dict[str, str], secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped = secret.new_secret_id(wrap_ttl="60s")["wrap_info"]["token"]
    monkeypatch.delenv("VAULT_SECRET_ID")
    monkeypatch.setenv("VAULT_WRAPPED_SECRET_ID", wrapped)
    *_, last = await checks()
    assert (last.name, last.ok) == ("login", None)
    async with VaultKeys.from_env() as keys:
        assert (await keys.get()).version == 1
    *_, last = await checks()
    assert (last.name, last.ok) == ("wrapped secret_id", False)


async def test_a_way_to_the_secret_id_in_the_environment_wins_over_the_file(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("VAULT_WRAPPED_SECRET_ID=hvs.AAAAAAAAAAAAAAAAAAAAAAAA\n", encoding="utf-8")
    assert all(check.ok for check in await checks())


async def test_it_logs_in_once(
    environment: dict[str, str], secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/auth/approle/role/{secret.name}/secret-id"  # hvac does not know the number of uses here
    answer = secret.root.adapter.post(path, json={"num_uses": 1})
    monkeypatch.setenv("VAULT_SECRET_ID", answer["data"]["secret_id"])
    assert all(check.ok for check in await checks())


async def test_no_login_is_left_behind(
    environment: dict[str, str], secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (secret.path, "some/where"):
        monkeypatch.setenv("SAFECHAT_KEY_PATH", path)
        await checks()
    accessors = secret.root.list("auth/token/accessors")["data"]["keys"]
    owners = [secret.root.auth.token.lookup_accessor(accessor)["data"]["policies"] for accessor in accessors]
    assert not [policies for policies in owners if secret.name in policies]


async def test_without_hvac_it_says_what_to_install(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "hvac"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("api", "login", "errors"):
        monkeypatch.delitem(sys.modules, f"safechat.keys.vault.{name}", raising=False)
        monkeypatch.delattr(f"safechat.keys.vault.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "hvac", None)
    *_, last = await checks()
    assert (last.name, last.ok) == ("Vault", False)
    assert "safechat[vault]" in last.result


async def test_without_vault_the_environments_key_is_tried(
    api: ClassroomAPI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", api.base_url)
    assert [(check.name, check.ok) for check in await checks()] == [("settings", True), ("key", False)]
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={API_KEY}\n", encoding="utf-8")
    assert [check.name for check in await checks()] == ["settings", "key", "API", "model"]


async def test_it_says_where_each_setting_comes_from_and_shows_no_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        f"OPENAI_API_KEY={API_KEY}\nSAFECHAT_MODEL=m\nSAFECHAT_DEADLINE=\n", encoding="utf-8"
    )
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("SAFECHAT_MODEL", "other")
    first, *_ = await checks()
    assert "from the environment: OPENAI_BASE_URL, SAFECHAT_MODEL" in first.result
    assert first.result.endswith("from .env: OPENAI_API_KEY")
    assert API_KEY not in first.result


async def test_an_unknown_setting_is_named_with_the_nearest_known_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAFECHAT_TIMEOUTS", "3")
    (tmp_path / ".env").write_text("SAFECHAT_COLOUR=red\n", encoding="utf-8")
    unknown = [check for check in await checks() if check.ok is None]
    assert [(check.result.split()[0], check.advice) for check in unknown] == [
        ("SAFECHAT_COLOUR", "take it away"),
        ("SAFECHAT_TIMEOUTS", "did you mean SAFECHAT_TIMEOUT?"),
    ]


def test_the_checks_are_there_for_programs_too(environment: dict[str, str]) -> None:
    done = safechat("doctor", "--json", environment={**environment, "SAFECHAT_KEY_FIELD": "token"})
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["name"] for result in results] == VAULT[:6]
    assert ([result["ok"] for result in results], done.returncode) == ([True] * 5 + [False], 1)


def doctor(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from safechat.cli.main import main; main()", "doctor"]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


def test_the_command_says_it_line_by_line(environment: dict[str, str]) -> None:
    done = doctor(environment)
    assert (done.returncode, done.stderr) == (0, "")
    checked = [line for line in done.stdout.splitlines() if line.startswith("ok ")]
    assert [line.split()[1].rstrip(":") for line in checked] == VAULT


def test_the_command_fails_where_a_link_is_broken(environment: dict[str, str]) -> None:
    done = safechat("doctor", environment={**environment, "SAFECHAT_KEY_FIELD": "token"})
    assert done.returncode == 1
    assert "→ set SAFECHAT_KEY_FIELD" in done.stdout
