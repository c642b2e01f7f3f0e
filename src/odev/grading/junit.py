"""What became of a run of the steps' tests, read from the JUnit report that it left, or did not leave.

No exit code is believed: the report is held against the list of tests that there
are, and against the canaries, which must have failed. A test that is not in the
report did not pass.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from odev.course.cells import TaskId
from odev.grading import canary
from odev.grading.limited_process import Ended, Outcome

_LARGEST_REPORT = 5_000_000  # bytes


@dataclass(frozen=True, slots=True)
class StepTest:
    """One test: its task, all the points of that task, and its hint (Turkish)."""

    nodeid: str
    task: TaskId
    points: int
    hint: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The first test, in the tests' order, that did not pass, and its message's first line."""

    test: StepTest
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one run. `passed` holds node ids; `running` is the test during which it ended early,
    `broken` why a file of tests could not even be read: the package cannot be imported. `listed` are the
    tests that the run itself found: for a student's own eyes that is enough, for a grade it is not.
    """

    ended: Ended
    passed: frozenset[str] = frozenset()
    messages: dict[str, str] = field(default_factory=dict)
    reported: bool = False
    broken: str = ""
    listed: tuple[StepTest, ...] = ()
    tampered: bool = False
    running: str = ""
    output: str = ""

    def failure(self, tests: Iterable[StepTest]) -> Failure | None:
        """The first of these that did not pass; the one that was running when there is no report."""
        tests = tuple(tests)
        if not self.reported:
            at = next((test for test in tests if test.nodeid == self.running), None)
            return Failure(at or tests[0], "") if tests else None
        for test in tests:
            if test.nodeid not in self.passed:
                return Failure(test, self.messages.get(test.nodeid, self.broken))
        return None


def read(report: Path, started: Path, outcome: Outcome) -> Run:
    running = started.read_text(encoding="utf-8") if started.is_file() else ""
    cut = Run(outcome.ended, running=running, output=outcome.output)
    if outcome.ended is not Ended.ITSELF or not report.is_file() or report.stat().st_size > _LARGEST_REPORT:
        return cut
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except ElementTree.ParseError:
        return cut
    passed: set[str] = set()
    messages: dict[str, str] = {}
    canaries: dict[str, bool] = {}
    broken = ""
    for case in cases:
        wrong = [each for each in case if each.tag in ("failure", "error", "skipped")]
        nodeid = next(
            (each.get("value", "") for each in case.iter("property") if each.get("name") == "nodeid"), ""
        )
        if case.get("name") in canary.NAMES:
            canaries[case.get("name", "")] = any(each.tag == "failure" for each in wrong)
        elif wrong and not nodeid:
            broken = _cause(wrong[0])
        elif nodeid and wrong:
            messages.setdefault(nodeid, _one_line(wrong[0]))
        elif nodeid:
            passed.add(nodeid)
    if not canaries:  # pytest was stopped on the way
        return cut
    return Run(
        outcome.ended,
        frozenset(passed - messages.keys()),
        messages,
        reported=True,
        broken=broken,
        tampered=not all(canaries.get(name) for name in canary.NAMES),
        running=running,
        output=outcome.output,
    )


def _cause(element: ElementTree.Element) -> str:
    """The last error of a collection's traceback, as pytest marks it."""
    lines = [line[1:].strip() for line in (element.text or "").splitlines() if line.startswith("E ")]
    return _short(lines[-1] if lines else element.get("message") or "")


def _one_line(element: ElementTree.Element) -> str:
    """The message as a person reads it: an assertion's own words; any other error with its class, and
    the line of the package that raised it."""
    lines = (element.get("message") or "").strip().splitlines() or [""]
    said = lines[0].removeprefix("AssertionError: ").strip()
    raised_at = _line_of_code(element.text or "")
    return _short(f"{said} ← {raised_at}" if raised_at else said)


def _line_of_code(traceback: str) -> str:
    """Where pytest's traceback ends, unless that is in a test."""
    places = re.findall(r"^(\S.*\.py):\d+: \w+$", traceback, re.MULTILINE)
    if not places or Path(places[-1]).name.startswith("test_"):
        return ""
    marked = [line[1:].strip() for line in traceback.splitlines() if line.startswith(">")]
    return marked[-1] if marked else ""


def _short(line: str) -> str:
    return line if len(line) <= 300 else line[:299] + "…"
