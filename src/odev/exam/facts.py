"""What was counted on the exam's day, as plain values: of the calls as the program reported them, of the
requests as the API saw them, of the log and of the places where a secret may not be.

A report comes from a process that runs a student's code, so an answer counts only where the API has given
it. Not here: how it is gathered (lane.py), what it is worth (lines.py).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from odev.exam.day import ECHO, Step

_LONGEST_ERROR = 70  # characters of an error in a table
_STUB = re.compile(r"NotImplementedError: (ÖDEV \d+\.\d+)")  # the package's own errors quote it


@dataclass(frozen=True, slots=True)
class Report:
    """How one question ended, as the program said: with a text, or with an error. `position` is that of the
    call in its step, `number` is in the log's record, `held` is all that the error holds."""

    position: int
    number: str
    text: str | None = None
    error: str = ""
    message: str = ""
    kind: str = ""
    named: bool = False
    held: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """One step. Of its `calls`, `answered` ended with the whole answer, `wrong` with another text, `named`
    with an error of the package, `unnamed` with any other; the rest has never ended.

    `noticed` are the errors after which the program asked again. `requests` are those that the API saw,
    `refused` its 429s and `denied` its 401s. `kinds` are those of the named errors, `findings` what LLMock
    holds against the client, `first_error` is of a task that is not written, or else of an unnamed error.
    """

    calls: int
    answered: int = 0
    wrong: int = 0
    named: int = 0
    unnamed: int = 0
    noticed: int = 0
    requests: int = 0
    refused: int = 0
    denied: int = 0
    kinds: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    first_error: str = ""

    @property
    def lost(self) -> int:
        """Calls that have not ended: the program hung, or it died."""
        return self.calls - self.answered - self.wrong - self.named - self.unnamed


@dataclass(frozen=True, slots=True)
class Day:
    """The whole day of one program: the counts of each step by its name, and what concerns all.

    `ended` questions had an answer or an error, and `logged` of them exactly one record in the log.
    `leaks` names the places where a secret was seen.
    `vault_reads` counts how often the key was read from the Vault. `problems` says, by the hour, why a
    scene broke off (Turkish).
    """

    steps: Mapping[str, Counts]
    ended: int = 0
    logged: int = 0
    leaks: tuple[str, ...] = ()
    vault_reads: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)

    def of(self, *names: str) -> tuple[Counts, ...]:
        return tuple(self.steps[name] for name in names)


def read_report(fields: Mapping[str, Any]) -> Report | None:
    """The report in this line of the program; None for a line that is none."""
    position, text = fields.get("call"), fields.get("text")
    if type(position) is not int or not (text is None or isinstance(text, str)):
        return None
    words = {name: str(fields.get(name, "")) for name in ("number", "error", "message", "kind", "held")}
    return Report(position, text=text, named=fields.get("named") is True, **words)


def count(
    step: Step,
    reports: Sequence[Report],
    requests: Sequence[Mapping[str, Any]],
    findings: Iterable[str] = (),
) -> Counts:
    """The step's counts. Of a call that was asked again the last report counts."""
    prompts = step.prompts()
    given = {request["prompt"] for request in requests if request["status"] == 200}
    last = {report.position: report for report in reports if 0 <= report.position < step.calls}
    answered = wrong = 0
    errors: list[Report] = []
    for position, report in last.items():
        if report.text is None:
            errors.append(report)
        elif report.text == ECHO + prompts[position] and prompts[position] in given:
            answered += 1
        else:
            wrong += 1
    named = [report for report in errors if report.named]
    unnamed = [report for report in errors if not report.named]
    statuses = Counter(request["status"] for request in requests)
    return Counts(
        step.calls,
        answered,
        wrong,
        len(named),
        len(unnamed),
        noticed=sum(report.text is None for report in reports),
        requests=len(requests),
        refused=statuses[429],
        denied=statuses[401],
        kinds=tuple(sorted({report.kind for report in named})),
        findings=tuple(findings),
        first_error=_first_error(errors),
    )


def count_logged(lines: Iterable[str], reports: Iterable[Report]) -> int:
    """How many of these questions have exactly one `chat.call` in the log, with an outcome that fits."""
    outcomes: dict[str, list[object]] = {}
    for line in lines:
        record = _json(line)
        if record.get("event") == "chat.call" and record.get("call_id"):
            outcomes.setdefault(str(record.get("exam_call")), []).append(record.get("outcome"))
    return sum(_fits(outcomes.get(report.number, []), report) for report in reports)


def _fits(outcomes: Sequence[object], report: Report) -> bool:
    if len(outcomes) != 1:
        return False
    if report.text is not None:
        return outcomes[0] == "ok"
    return outcomes[0] == (report.kind if report.named else "unexpected")


def leaks(secrets: Iterable[str], places: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The names of the places that hold one of the secrets."""
    secrets = tuple(secrets)
    return tuple(
        name for name, texts in places.items() if any(secret in text for text in texts for secret in secrets)
    )


def _json(line: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _first_error(errors: Sequence[Report]) -> str:
    """That of a task that is not written, if there is one (Turkish); else the first that is unnamed."""
    for report in errors:
        if stub := _STUB.search(f"{report.error}: {report.message}"):
            return f"{stub[1]} henüz yazılmadı"
    return next((_short(report) for report in errors if not report.named), "")


def _short(report: Report) -> str:
    text = " ".join(f"{report.error}: {report.message}".split()).strip(": ")
    return text if len(text) <= _LONGEST_ERROR else f"{text[: _LONGEST_ERROR - 1]}…"
