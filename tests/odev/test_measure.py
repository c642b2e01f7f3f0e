"""Programs are measured as their user meets them: the clock is that of their own code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from odev.classroom.measure import ANSWER, Outcome, measure, outcome_of, run
from odev.classroom.room import Classroom

ASKS = """
from openai import OpenAI
client = OpenAI(max_retries=0)
reply = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Merhaba"}])
print(reply.choices[0].message.content)
"""
NAMES = f"import sys\ntry:\n{''.join('    ' + line + chr(10) for line in ASKS.strip().splitlines())}" + (
    'except Exception as error:\n    sys.exit(f"Cevap alınamadı: {error}")\n'
)


@pytest.fixture(scope="module")
def room() -> Iterator[Classroom]:
    with Classroom() as classroom:
        yield classroom


def test_the_imports_of_a_program_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(1.5)\n", "utf-8")
    program = "import slow_module\nprint('bitti')\n"
    program_run = run(program, environment={"PYTHONPATH": os.pathsep.join([str(tmp_path)])})
    assert (program_run.last_line, program_run.ended) == ("bitti", True)
    assert program_run.seconds < 1.5


@pytest.mark.parametrize(
    ("program", "last_line"),
    [
        ("print(1)\nprint('son')\n", "son"),
        ("import sys\nsys.exit('olmadı')\n", "olmadı"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("import yok_boyle\n", "ModuleNotFoundError: No module named 'yok_boyle'"),
        ("x = (\n", "SyntaxError: '(' was never closed"),
        ("import os\nos._exit(3)\n", ""),
        ("print(__name__)\n", "__main__"),
        ("print('ığüşöç')\n", "ığüşöç"),
    ],
)
def test_what_a_user_sees_last_is_the_last_line(program: str, last_line: str) -> None:
    program_run = run(program)
    assert (program_run.last_line, program_run.ended) == (last_line, True)


def test_a_program_that_waits_is_stopped_when_the_patience_is_over() -> None:
    program_run = run("import time\nprint('başladı', flush=True)\ntime.sleep(600)\n", patience=0.5)
    assert (program_run.ended, program_run.seconds) == (False, 0.5)
    assert program_run.last_line == "(0,5 saniye sonra hâlâ bekliyordu)"
    assert program_run.output == "başladı\n"


def test_each_program_meets_each_fault_alone(
    room: Classroom, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in room.environment().items():
        monkeypatch.setenv(name, value)
    faults: dict[str, dict[str, object]] = {"sorun yok": {}, "bozuk": {"fault": "fail", "status": 503}}
    rows = measure(room, {"düz": ASKS, "adlı": NAMES}, faults)
    assert [(row.fault, row.program, row.outcome, row.requests) for row in rows] == [
        ("sorun yok", "düz", Outcome.ANSWER, 1),
        ("sorun yok", "adlı", Outcome.ANSWER, 1),
        ("bozuk", "düz", Outcome.BAD, 1),
        ("bozuk", "adlı", Outcome.NAMED, 1),
    ]
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == ["✓", "✓", "✗", "!"]


def test_only_the_whole_answer_is_one() -> None:
    assert outcome_of(run(f"print({ANSWER!r})")) is Outcome.ANSWER
    assert outcome_of(run(f"print({ANSWER[:-1]!r})")) is Outcome.BAD
