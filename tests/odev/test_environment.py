"""What a user has set for other programs changes no test, and leads nothing to a real service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odev.classroom.services import without_services
from odev.course.environment import own_environment
from real_service import real_service

ROOT = Path(__file__).parents[2]
# Tests that fail by a proxy, by the screen, by settings, by telemetry that is off, or by warnings as errors.
SENSITIVE = (
    "safechat/call/test_bad_replies.py::test_an_answer_is_read_whole",
    "safechat/cli/test_logs.py::test_in_a_pipe_no_line_is_cut",
    "safechat/test_settings.py",
    "safechat/test_telemetry.py::test_a_call_is_one_internal_span",
)


def test_no_variable_of_the_users_is_in_an_environment_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    with real_service() as service:
        for name, value in service.environment().items():
            monkeypatch.setenv(name, value)
        assert not own_environment().items() & service.environment().items()
    assert own_environment()["NO_PROXY"] == "127.0.0.1,localhost"
    assert own_environment()["PATH"] == os.environ["PATH"]


def test_a_lab_has_its_users_environment_without_the_services() -> None:
    with real_service() as service:
        of_the_lab = without_services(service.environment())
        assert {name for name, value in of_the_lab.items() if service.address in value} == {
            *service.proxies()
        }
    assert of_the_lab["TERM"] == "dumb"


def test_the_tests_pass_for_a_user_of_a_real_service_and_do_not_reach_it() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    with real_service() as service:
        environment = {**os.environ, **service.environment(), "PYTHONWARNINGS": "error"}
        done = subprocess.run(
            [*command, *(str(ROOT / "tests" / name) for name in SENSITIVE)],
            cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", check=False,
        )  # fmt: skip
    assert (done.returncode, service.connections) == (0, 0), done.stdout[-5000:]
