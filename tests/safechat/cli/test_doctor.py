"""`safechat doctor`: every link that may be broken is named, with what to do."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from command import safechat
from odev.classroom.api import APIServer, ClassroomAPI
from odev.classroom.bao import free_port
from redis_servers import Server as RedisServer
from safechat import VaultKeys
from safechat.cli.doctor import Check, examine
from safechat.cli.network import shown_address
from servers import API_KEY, Secret, Server, furnish
from wire import http, wire


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


async def checks(today: date | None = None, *, login: bool = True) -> list[Check]:
    return [check async for check in examine(login=login, today=today)]


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


async def test_a_redis_that_answers_is_shown(
    environment: dict[str, str], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFECHAT_REDIS_URL", redis_server.url)
    monkeypatch.setenv("SAFECHAT_REDIS_NAME", "prod")
    monkeypatch.setattr("safechat.cli.doctor.PATIENCE", 5.0)  # on a busy machine it may need longer
    (check,) = [check for check in await checks() if check.name == "Redis"]
    assert check.ok
    assert "shares the limits of prod" in check.result


async def test_a_redis_that_does_not_answer_is_a_warning_without_its_password(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFECHAT_REDIS_URL", f"redis://:very-secret@127.0.0.1:{free_port()}")
    results = await checks()
    (check,) = [check for check in results if check.name == "Redis"]
    assert check.ok is None
    assert "no limits are shared" in check.result
    assert check.advice
    assert "very-secret" not in str(results)
    assert results[-1].name == "model"


async def test_a_redis_that_is_slow_to_connect_is_a_warning(
    environment: dict[str, str], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        upstream = await asyncio.open_connection("127.0.0.1", urlsplit(redis_server.url).port)
        for source, target in ((reader, upstream[1]), (upstream[0], writer)):
            pumps.append(asyncio.create_task(pump(source, target)))

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
        target.close()

    pumps: list[asyncio.Task[None]] = []
    async with await asyncio.start_server(slow, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("SAFECHAT_REDIS_URL", f"redis://127.0.0.1:{port}")
        (check,) = [check for check in await checks() if check.name == "Redis"]
        await asyncio.gather(*pumps)
    assert check.ok is None
    assert "after 250 ms it counts as down" in check.result


async def test_a_wrong_url_of_a_redis_is_a_failure(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFECHAT_REDIS_URL", "http://:very-secret@127.0.0.1")
    *_, last = await checks()
    assert (last.name, last.ok) == ("Redis", False)
    assert "redis://" in last.result
    assert "very-secret" not in str(last)


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
    result = {check.name: check.ok for check in await checks()}
    assert (result["wrapped secret_id"], result["login"]) == (True, None)
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


async def test_without_being_asked_to_it_does_not_use_a_secret_id(
    environment: dict[str, str], secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/auth/approle/role/{secret.name}/secret-id"
    answer = secret.root.adapter.post(path, json={"num_uses": 1})
    monkeypatch.setenv("VAULT_SECRET_ID", answer["data"]["secret_id"])
    *before, login, api = await checks(login=False)
    assert all(check.ok for check in before)
    assert (login.name, login.ok) == ("login", None)
    assert "--login" in login.advice
    assert (api.name, api.ok, api.result) == ("API", True, "it answers, and wants a key")
    async with VaultKeys.from_env() as keys:
        assert (await keys.get()).version == 1, "its one use is still there"


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
    assert "from .env: OPENAI_API_KEY;" in first.result
    assert API_KEY not in first.result


async def test_a_setting_of_the_file_that_has_no_effect_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = f"OPENAI_API_KEY={API_KEY}\nOPENAI_BASE_URL=http://127.0.0.1:9/v1\n"
    (tmp_path / ".env").write_text(f"{settings}SAFECHAT_MODEL=m\nSAFECHAT_TIMEOUT=3\n", encoding="utf-8")
    monkeypatch.setenv("safechat_model", "other")  # settings are read in either case
    monkeypatch.setenv("SAFECHAT_TIMEOUT", "3")
    first, *_ = await checks()
    assert "from the environment: SAFECHAT_MODEL, SAFECHAT_TIMEOUT;" in first.result
    assert first.result.endswith(
        "in .env without effect, for the environment says something else: SAFECHAT_MODEL"
    )


async def test_an_unknown_setting_is_named_with_the_nearest_known_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("safechat_timeouts", "3")
    (tmp_path / ".env").write_text("SAFECHAT_COLOUR=red\n", encoding="utf-8")
    unknown = [check for check in await checks() if check.ok is None]
    assert [(check.result.split()[0], check.advice) for check in unknown] == [
        ("SAFECHAT_COLOUR", "take it away"),
        ("SAFECHAT_TIMEOUTS", "did you mean SAFECHAT_TIMEOUT?"),
    ]


PAGE = b"<!DOCTYPE html><html><body>Welcome to the hotel's network</body></html>"
NO_CREDIT = b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
TOO_MANY = b'{"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}'


@pytest.mark.parametrize(
    ("body", "status", "ok", "result", "advice"),
    [
        (PAGE, "200 OK", False, "a page in HTML", "captive portal"),
        (PAGE, "511 Network Authentication Required", False, "a page in HTML", "captive portal"),
        (b'{"hello": 1}', "200 OK", False, "no list of models", "OPENAI_BASE_URL"),
        (TOO_MANY, "429 Too Many Requests", None, "too many requests for now", "try again in 7 s"),
        (NO_CREDIT, "429 Too Many Requests", False, "insufficient_quota", "waiting does not help"),
    ],
)
async def test_what_answers_in_place_of_the_api_is_named(
    body: bytes, status: str, ok: bool | None, result: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    with wire(lambda peer: peer.say(http(body, status=status, headers="retry-after: 7\r\n"))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        *_, last = await checks()
    assert (last.name, last.ok) == ("API", ok)
    assert result in last.result
    assert advice in last.advice


class OnlyV1(BaseHTTPRequestHandler):
    """An API that is nowhere but at /v1."""

    def do_GET(self) -> None:
        there = self.path == "/v1/models"
        body = b'{"data": [{"id": "gpt-6.1-terra"}]}' if there else b"404 page not found"
        self.send_response(200 if there else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def only_v1() -> Iterator[str]:
    """Its address, without the /v1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OnlyV1) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("end", ["", "/", "/api"])
async def test_a_missing_v1_is_named(end: str, only_v1: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", only_v1 + end)
    *_, last = await checks()
    assert last.name == "API"
    if end == "/api":  # there is no API at /api/v1 either
        assert (last.ok, last.advice) == (None, "is OPENAI_BASE_URL right? It usually ends with /v1")
    else:
        assert (last.ok, last.advice) == (False, f"set OPENAI_BASE_URL={only_v1}/v1")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example:8443/v1", "https://api.example:8443/v1"),
        ("https://api.example/v1?api-key=kedi", "https://api.example/v1"),
        ("ali:kedi@proxy:8080", "[redacted]@proxy:8080"),
        ("http://ali:k@e/d:i@proxy", "http://[redacted]@proxy"),
        ("http://ali:ke?di@proxy", "http://[redacted]"),
        ("http://api/?key=ke@di", "http://[redacted]"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_address(url) == shown


async def test_a_proxy_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://user:kedi@api.example/v1?api-key=kedi")
    monkeypatch.setenv("HTTPS_PROXY", "http://ali:p@ss-kedi@proxy.example:8080")
    results = await checks()
    assert [check.result for check in results if check.name == "network"] == [
        "the API is reached through the proxy http://[redacted]@proxy.example:8080"
    ]
    assert "kedi" not in str(results)
    monkeypatch.setenv("NO_PROXY", "api.example")
    (network,) = [check for check in await checks() if check.name == "network"]
    assert network.result.startswith("the API is reached directly, for NO_PROXY names it")


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("HTTPS_PROXY", "http://ali:kedi@proxy:port", "http://[redacted]@proxy:port"),
        ("ALL_PROXY", "ftp://proxy", "ftp://proxy"),
        ("OPENAI_BASE_URL", "https://api.example:x/v1", "https://api.example:x/v1"),
        ("OPENAI_BASE_URL", "api.example/v1", "api.example/v1"),
    ],
)
async def test_an_address_that_is_none_is_named(
    name: str, value: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    monkeypatch.setenv(name, value)
    *_, last = await checks()
    assert (last.name, last.ok) == ("network", False)
    assert name in last.result
    assert last.result.endswith(shown)


async def test_plain_http_that_was_allowed_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://10.1.2.3/v1")
    monkeypatch.setenv("SAFECHAT_ALLOW_HTTP", "1")
    (network,) = [check for check in await checks() if check.name == "network"]
    assert (network.ok, network.advice) == (None, "use https")
    assert "everyone on the way to 10.1.2.3 can read the key" in network.result


def test_the_checks_are_there_for_programs_too(environment: dict[str, str]) -> None:
    done = safechat("doctor", "--login", "--json", environment={**environment, "SAFECHAT_KEY_FIELD": "token"})
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["name"] for result in results] == VAULT[:6]
    assert ([result["ok"] for result in results], done.returncode) == ([True] * 5 + [False], 1)


def doctor(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from safechat.cli.main import main; main()", "doctor", "--login"]
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
    done = safechat("doctor", "--login", environment={**environment, "SAFECHAT_KEY_FIELD": "token"})
    assert done.returncode == 1
    assert "→ set SAFECHAT_KEY_FIELD" in done.stdout
