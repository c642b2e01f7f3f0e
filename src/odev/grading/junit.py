"""One run of the steps' tests, as its JUnit report shows it; the report may also be missing.

The exit code does not count. The report is compared with the list of the tests that
exist, and with the canaries, which must fail. A test that is not in the report did
not pass. Not here: how the tests are run (steps.py), points (result.py).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from odev.course.cells import TaskId
from odev.grading import canary
from odev.grading.limited_process import Ended, Outcome

_LARGEST_REPORT = 5_000_000  # bytes


@dataclass(frozen=True, slots=True)
class StepTest:
    """One test: its task, all the points of that task, and its two hints (Turkish); `more` may be empty."""

    nodeid: str
    task: TaskId
    points: int
    hint: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """The first test, in the tests' order, that did not pass, and its message's first line."""

    test: StepTest
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """How one run ended, and which of its tests passed.

    `passed` and the keys of `messages` are node ids. `running` is the last test that began. `broken` is the
    error of a test file that could not be collected, because the package cannot be imported. `listed` are
    the tests that the run itself collected: good enough for a student's check, not for a grade.
    """

    ended: Ended
    passed: frozenset[str] = frozenset()
    messages: Mapping[str, str] = field(default_factory=dict)
    reported: bool = False
    broken: str = ""
    listed: tuple[StepTest, ...] = ()
    tampered: bool = False
    running: str = ""
    output: str = ""

    def failure(self, tests: Iterable[StepTest]) -> Failure | None:
        """The first of these tests that did not pass; without a report, the test that was running."""
        tests = tuple(tests)
        if not self.reported:
            at = next((test for test in tests if test.nodeid == self.running), None)
            return Failure(at or tests[0], "") if tests else None
        for test in tests:
            if test.nodeid not in self.passed:
                return Failure(test, self.messages.get(test.nodeid, self.broken))
        return None


def read_report(report: Path, started: Path, outcome: Outcome) -> Run:
    """`started` is the file that holds the name of the last test that began."""
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
        wrong = [child for child in case if child.tag in ("failure", "error", "skipped")]
        properties = {item.get("name"): item.get("value", "") for item in case.iter("property")}
        nodeid = properties.get("nodeid", "")
        if case.get("name") in canary.NAMES:
            canaries[case.get("name", "")] = any(child.tag == "failure" for child in wrong)
        elif wrong and not nodeid:
            broken = _cause(wrong[0])
        elif nodeid and wrong:
            messages.setdefault(nodeid, _one_line(wrong[0]))
        elif nodeid:
            passed.add(nodeid)
    if not canaries:  # pytest was stopped before its end
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
    """The last line that pytest marks as an error in the traceback of a collection."""
    lines = [line[1:].strip() for line in (element.text or "").splitlines() if line.startswith("E ")]
    return _short(lines[-1] if lines else element.get("message") or "")


def _one_line(element: ElementTree.Element) -> str:
    """The message for a reader: an assertion's text alone; any other error with its class, and with the
    line of the package that raised it."""
    lines = (element.get("message") or "").strip().splitlines() or [""]
    message = lines[0].removeprefix("AssertionError: ").strip()
    raised_at = _line_of_code(element.text or "")
    return _short(f"{message} ← {raised_at}" if raised_at else message)


def _line_of_code(traceback: str) -> str:
    """The line of code that pytest's traceback ends at; empty when that is in a test."""
    places = re.findall(r"^(\S.*\.py):\d+: \w+$", traceback, re.MULTILINE)
    if not places or Path(places[-1]).name.startswith("test_"):
        return ""
    marked = [line[1:].strip() for line in traceback.splitlines() if line.startswith(">")]
    return marked[-1] if marked else ""


def _short(line: str) -> str:
    return line if len(line) <= 300 else line[:299] + "…"
