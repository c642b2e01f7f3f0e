"""solutions/ask_question.py, what remains of the course's program: short, and safe on any console."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from odev.classroom.api import APIServer
from odev.classroom.services import without_services
from odev.demo import ASK

SAFE = ASK[1]


def test_it_has_fewer_than_20_lines() -> None:
    assert len(SAFE.read_text("utf-8").splitlines()) < 20


def test_an_answer_that_the_console_cannot_show_is_printed_all_the_same(tmp_path: Path) -> None:
    server = APIServer("sk-test")
    api = server.start()
    try:
        api.behave("reply", text="Tamam 🎉 ığş")
        environment = without_services(os.environ) | {
            "OPENAI_BASE_URL": api.base_url,
            "OPENAI_API_KEY": api.key,
            "PYTHONIOENCODING": "cp1254",
            "PYTHONUTF8": "0",
        }
        done = subprocess.run([sys.executable, str(SAFE)], cwd=tmp_path, env=environment, capture_output=True)
    finally:
        server.stop()
    assert done.stdout.decode("cp1254").strip() == "Tamam ? ığş"
