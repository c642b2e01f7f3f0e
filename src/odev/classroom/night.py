"""The night of lesson 02: thirty customers ask, and three of their requests meet a fault.

    thirty_calls(room, BEFORE, Path("once.log"))

Not here: what the programs log, which the notebook shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from odev.classroom.faults import Fault
from odev.classroom.measure import ProgramRun, run
from odev.classroom.room import Classroom

PROMPTS = [f"Ben {n}. müşteri, telefonum 0532 123 45 {n}. Kargom nerede?" for n in range(10, 40)]
_SECONDS = ((0.1, 15), (0.2, 8), (0.5, 3), (0.8, 1))  # how late so many of the answers are


def thirty_calls(room: Classroom, program: str, log: Path, *more: Fault) -> ProgramRun:
    """Run a program that asks PROMPTS and writes `log`, which is empty at its beginning.

    One request is refused with a message that repeats the key, one is answered by a page of HTML, one is
    not answered; then come `more` faults, one request each. The other answers are slow by 0.1 to 0.8 s.
    """
    log.unlink(missing_ok=True)
    log.touch()  # a program that ends before its first record leaves an empty log
    refused = {"error": {"message": f"No such key: {room.api.key}", "code": "invalid_api_key"}}
    with room.broken() as api:
        api.fault(
            Fault("answer", status=401, body=json.dumps(refused), content_type="application/json"),
            Fault("answer"),
            Fault("hang"),
            *more,
        )
        for seconds, times in _SECONDS:
            api.behave("delay", seconds=seconds, times=times)
        return run(program, patience=60)


def counted(room: Classroom, logs: Mapping[str, Path]) -> dict[str, tuple[int, int | None]]:
    """How often each log, by its name, holds what it should hold once a call, and what it should not hold:
    for plots.counts. Of a log without a record nothing is wanted: it proves nothing."""
    calls = len(PROMPTS)
    words = {"süre": ("latency_ms", calls), "kimlik": ("call_id", calls)}
    words |= {"anahtar": (room.api.key, 0), "telefon": ("0532", 0)}
    texts = {name: log.read_text(encoding="utf-8") for name, log in logs.items()}
    return {
        f"{what} · {name}": (text.count(word), wanted if text else None)
        for what, (word, wanted) in words.items()
        for name, text in texts.items()
    }
