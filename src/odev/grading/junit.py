"""One run of the steps' tests, as its JUnit report shows it; the report may also be missing.

The exit code does not count. The report is compared with the list of the tests that
exist, and with the canaries, which must fail. A test that is not in the report did
not pass. Not here: how the tests are run (steps.py), points (result.py).
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from odev.course.cells import TaskId
from odev.grading.limited_process import Ended, Outcome
from odev.grading.wording import in_turkish, shortened

LARGEST_REPORT = 5_000_000  # bytes


@dataclass(frozen=True, slots=True)
class StepTest:
    """One test: its task, all the points of that task, and its two hints (Turkish); `more` may be empty."""

    nodeid: str
    task: TaskId
    points: int
    hint: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Crash:
    """An error that the student's code raised: the call that the test made, the line of the student's code,
    and the error with its class. `call` is empty where the code could not even be imported. `lines` are the
    package's lines that led there, the innermost last; `line` is that one."""

    call: str
    line: str
    error: str
    lines: tuple[str, ...] = ()

    def in_answer(self, source: str) -> Crash:
        """The crash at the innermost line that stands in the answer: what that line calls is not the
        student's."""
        written = {line.strip() for line in source.splitlines()}
        line = next((line for line in reversed(self.lines) if line in written), self.line)
        return Crash(self.call, line, self.error)


@dataclass(frozen=True, slots=True)
class Failure:
    """The first test, in the tests' order, that did not pass, and its message's first line."""

    test: StepTest
    message: str
    crash: Crash | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """How one run ended, and which of its tests passed.

    `passed` and the keys of `messages` and `crashes` are node ids. `running` is the last test that began.
    `broken` is the error of a test file that could not be collected, because the package cannot be imported.
    `listed` are the tests that the run itself collected: good enough for a student's check, not for a grade.
    `spoilt`: somebody changed the run's files while it ran.
    """

    ended: Ended
    passed: frozenset[str] = frozenset()
    messages: Mapping[str, str] = field(default_factory=dict)
    crashes: Mapping[str, Crash] = field(default_factory=dict)
    reported: bool = False
    broken: str = ""
    listed: tuple[StepTest, ...] = ()
    tampered: bool = False
    spoilt: bool = False
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
                message = self.messages.get(test.nodeid, self.broken)
                return Failure(test, message, self.crashes.get(test.nodeid))
        return None


def read_report(report: Path, started: Path, outcome: Outcome, canaries: Collection[str]) -> Run:
    """`started` is the file that holds the name of the last test that began, `canaries` the names of the
    tests that must fail. Nothing is raised: code under test may have written anything into these files."""
    running = read_bytes(started, LARGEST_REPORT).decode("utf-8", "replace")
    cut = Run(outcome.ended, running=running, output=outcome.output)
    content = read_bytes(report, LARGEST_REPORT)
    if outcome.ended is not Ended.ITSELF or not content:
        return cut
    try:
        cases = list(ElementTree.fromstring(content).iter("testcase"))
    except (ElementTree.ParseError, ValueError, LookupError):  # the last two: an encoding that nobody knows
        return cut
    passed: set[str] = set()
    messages: dict[str, str] = {}
    crashes: dict[str, Crash] = {}
    failed_canaries: dict[str, bool] = {}
    broken = ""
    for case in cases:
        wrong = [child for child in case if child.tag in ("failure", "error", "skipped")]
        properties = {item.get("name"): item.get("value", "") for item in case.iter("property")}
        nodeid = properties.get("nodeid", "")
        if case.get("name") in canaries:
            failed_canaries[case.get("name", "")] = any(child.tag == "failure" for child in wrong)
        elif wrong and not nodeid:
            broken = _cause(wrong[0])
        elif nodeid and wrong:
            lines = tuple(map(shortened, properties.get("crash_lines", "").split("\n")))
            call = properties.get("raises_call", "")
            messages.setdefault(nodeid, _one_line(wrong[0], lines[-1], call, properties.get("awaited", "")))
            if "crash_lines" in properties:
                error = _first_line(wrong[0])
                crashes.setdefault(
                    nodeid, Crash(shortened(properties["crash_call"]), lines[-1], error, lines)
                )
        elif nodeid:
            passed.add(nodeid)
    if not failed_canaries:  # pytest was stopped before its end
        return cut
    return Run(
        outcome.ended,
        frozenset(passed - messages.keys()),
        messages,
        crashes,
        reported=True,
        broken=broken,
        tampered=not all(failed_canaries.get(name) for name in canaries),
        running=running,
        output=outcome.output,
    )


def _cause(element: ElementTree.Element) -> str:
    """The last line that pytest marks as an error in the traceback of a collection."""
    lines = [line[1:].strip() for line in (element.text or "").splitlines() if line.startswith("E ")]
    return shortened(lines[-1] if lines else element.get("message") or "")


def _one_line(element: ElementTree.Element, raised_at: str, call: str, awaited: str) -> str:
    """The message for a reader: an assertion's text alone; any other error with its class, and with the
    line of the package that raised it."""
    message = in_turkish(_message(element), call, awaited)
    return shortened(f"{message} ← {raised_at}" if raised_at else message)


def _first_line(element: ElementTree.Element) -> str:
    return shortened(_message(element).partition("\n")[0])


def _message(element: ElementTree.Element) -> str:
    """The text of the error; of a SyntaxError its last line, above which only the place stands."""
    message = (element.get("message") or "").strip()
    return message.rpartition("\n")[2] if message.startswith('File "') else message


def read_bytes(path: Path, most: int) -> bytes:
    """The file's content; empty when it is longer, or when there is no such file."""
    if not path.is_file():
        return b""
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    return content if len(content) <= most else b""
