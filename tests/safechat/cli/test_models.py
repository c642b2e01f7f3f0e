"""`safechat models`: when the configured models are shut down, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from clients import KEY
from command import safechat
from odev.classroom.api import APIServer, ClassroomAPI
from safechat.cli.models import ConfiguredModel
from wire import http, wire


@pytest.fixture(scope="module")
def server() -> Iterator[ClassroomAPI]:
    running = APIServer(KEY)
    yield running.start()
    running.stop()


@pytest.fixture
def api(server: ClassroomAPI) -> ClassroomAPI:
    server.reset()
    return server


def settings(api: ClassroomAPI, **more: str) -> dict[str, str]:
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.base_url, **more}


def in_days(days: int) -> str:
    return str(datetime.now(UTC).date() + timedelta(days))


def test_the_model_and_its_fallbacks_are_shown_once(api: ClassroomAPI) -> None:
    api.settings(shutdown_dates={"gpt-4o": in_days(200)})
    done = safechat("models", environment=settings(api, SAFECHAT_FALLBACKS="gpt-4o,gpt-6.1-terra"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["ok", "gpt-6.1-terra"],
        ["ok", "gpt-4o"],
    ]
    assert in_days(200) in done.stdout


@pytest.mark.parametrize(
    ("days", "status", "mark"), [(300, 0, "ok"), (50, 0, "!"), (5, 1, "no"), (-5, 1, "no")]
)
@pytest.mark.parametrize("command", ["models", "doctor"])
def test_the_exit_status_is_1_shortly_before_a_shutdown(
    command: str, days: int, status: int, mark: str, api: ClassroomAPI
) -> None:
    api.settings(shutdown_dates={"gpt-4o": in_days(days)})
    done = safechat(command, environment=settings(api, SAFECHAT_FALLBACKS="gpt-4o"))
    assert done.returncode == status
    (line,) = [line for line in done.stdout.splitlines() if "gpt-4o" in line]
    assert line.split()[0] == mark
    assert in_days(days) in line


def test_a_model_that_is_gone_is_shown_with_what_replaces_it(api: ClassroomAPI) -> None:
    api.settings(today="2026-12-12")
    done = safechat("models", environment=settings(api, SAFECHAT_MODEL="gpt-5-mini"))
    assert done.returncode == 1
    assert "gpt-5-mini is not listed" in done.stdout
    assert "→ set SAFECHAT_MODEL, or SAFECHAT_FALLBACKS, to gpt-6.1-terra" in done.stdout


def test_json_is_for_a_program(api: ClassroomAPI) -> None:
    api.settings(shutdown_dates={"gpt-5-mini": in_days(5)})
    done = safechat("models", "--json", environment=settings(api, SAFECHAT_MODEL="gpt-5-mini"))
    assert done.returncode == 1
    assert json.loads(done.stdout) == [
        {
            "model": "gpt-5-mini",
            "ok": False,
            "listed": True,
            "shutdown_date": in_days(5),
            "days_left": 5,
            "replacement": "gpt-6.1-terra",
        }
    ]


def test_an_api_that_gives_no_dates_is_no_reason_to_warn() -> None:
    listing = {
        "object": "list",
        "data": [{"id": "gpt-5-mini", "object": "model", "created": 0, "owned_by": "me"}],
    }
    with wire(lambda peer: peer.say(http(json.dumps(listing).encode()))) as other:
        environment = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": other.base_url,
            "SAFECHAT_MODEL": "gpt-5-mini",
        }
        done = safechat("models", environment=environment)
    assert (done.returncode, done.stdout) == (0, "ok  gpt-5-mini is listed\n")


def test_without_a_list_it_is_one_line_on_stderr(api: ClassroomAPI) -> None:
    api.settings(keys=["sk-another-key-0000"])
    done = safechat("models", environment=settings(api))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("safechat: authentication_failed: ")


def test_the_name_of_a_model_is_text(api: ClassroomAPI) -> None:
    done = safechat("models", environment=settings(api, SAFECHAT_MODEL="[red]x\x1b[1m"))
    assert done.stdout.startswith("no  [red]x\\u001b[1m is not listed\n")


@pytest.mark.parametrize(
    ("days", "ok"), [(91, True), (90, None), (15, None), (14, False), (0, False), (-1, False)]
)
def test_the_days_before_a_shutdown_decide(days: int, ok: bool | None) -> None:
    day = date(2026, 12, 11)
    assert ConfiguredModel("m", True, day, day - timedelta(days)).ok is ok
