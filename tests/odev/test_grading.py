"""What is wrong with one cell costs that task, is named in Turkish, and costs nobody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import mini_course as mini
from odev.course.cells import TaskId, task_cell
from odev.course.course import Course, CourseError, Task
from odev.grading import fork_server, limited_process
from odev.grading import grader as grader_module
from odev.grading.canary import write_canaries
from odev.grading.course_copies import copies
from odev.grading.grader import Grader, reference_grader
from odev.grading.junit import Crash, Run
from odev.grading.limited_process import Ended, Limits, clean_environment
from odev.grading.result import State, TaskResult
from odev.grading.steps import collect, run_tests
from odev.grading.turns import Turns
from odev.grading.unusual import unusual_things
from real_service import real_service

posix_only = pytest.mark.skipif(
    sys.platform == "win32", reason="forks, and limits of the kernel's, are POSIX"
)
LIMITS = Limits(seconds=20)
IMPATIENT = replace(LIMITS, seconds=1)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return mini.mini_course(tmp_path_factory.mktemp("course"))


WAYS = {"in a process": False, "in a fork": True} if fork_server.POSSIBLE else {"in a process": False}
in_each_way: Callable[..., Any] = pytest.fixture(scope="module", params=list(WAYS.values()), ids=list(WAYS))


@in_each_way
def grader(course: Course, request: pytest.FixtureRequest) -> Iterator[Grader]:
    with copies(course, in_forks=request.param) as course_copies:
        yield reference_grader(course, course_copies, limits=LIMITS)


@in_each_way
def sparing(course: Course, request: pytest.FixtureRequest) -> Iterator[Grader]:
    with copies(course, in_forks=request.param) as course_copies:
        yield reference_grader(course, course_copies, limits=replace(LIMITS, memory=350_000_000))


@in_each_way
def impatient(course: Course, request: pytest.FixtureRequest) -> Iterator[Grader]:
    with copies(course, in_forks=request.param) as course_copies:
        yield reference_grader(course, course_copies, limits=IMPATIENT)


def judge(grader: Grader, source: str | None, id: str = "1.1") -> TaskResult:
    task = next(task for task in grader.tasks if task.id == TaskId.parse(id))
    return grader.judge(task, None if source is None else task_cell(source))


def greet(body: str, before: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"#| odev 1.1 words.greet\n{before}def greet(name):\n{lines}"


def test_a_right_answer_gets_the_tasks_points(grader: Grader) -> None:
    for source, id, points in ((mini.GOOD_GREET, "1.1", 4), (mini.GOOD_QUEUE, "2.1", 10)):
        result = judge(grader, source, id)
        assert (result.state, result.score, result.points) == (State.PASSED, points, points)


def test_a_wrong_answer_gets_none_and_the_hint_of_its_first_failing_test(grader: Grader) -> None:
    result = judge(grader, mini.WRONG["1.1_never_all"])
    assert (result.state, result.score, result.points) == (State.FAILED, 0, 4)
    assert result.hint == "isim boşsa herkese selam ver"
    assert result.message == "greet('') → 'Merhaba '; beklenen: 'Merhaba herkes'"


def test_an_unchanged_stub_is_not_written_yet(grader: Grader) -> None:
    result = judge(grader, mini.GREET_STUB + "\n# buraya yaz\n")
    assert (result.state, result.message) == (State.UNWRITTEN, "henüz yazılmadı")


def test_a_half_written_class_is_not_written_yet(grader: Grader) -> None:
    half = mini.QUEUE_STUB.replace(
        'raise NotImplementedError("ÖDEV 2.1")', "self.__dict__.setdefault('x', []).append(item)", 1
    )
    result = judge(grader, half, "2.1")
    assert (result.state, result.message) == (State.UNWRITTEN, "bir parçası henüz yazılmadı")


def test_a_missing_cell_is_never_the_references(grader: Grader) -> None:
    result = judge(grader, None)
    assert (result.state, result.score) == (State.MISSING, 0)
    assert "görev hücresi yok" in result.message


@pytest.mark.parametrize(
    ("source", "state", "words"),
    [
        ("#| odev 1.1 words.greet\ndef greet(name:\n    return 1\n", State.UNREADABLE, "2. satır"),
        ("#| odev 1.1 words.greet\ndef selam(name): ...\n", State.UNREADABLE, "`greet` tanımı yok"),
        (greet("return yok_modul", "import yok_modul\n"), State.CRASHED, "ModuleNotFoundError"),
        (greet("return yok"), State.CRASHED, "NameError"),
        (greet("import os\nos._exit(0)"), State.DIED, "os._exit"),
        (greet("import sys\nsys.exit(0)"), State.CRASHED, "SystemExit"),
        (greet("raise KeyboardInterrupt"), State.DIED, "process kapandı"),
        (greet("import sys\nsys.stdout.write('x' * 100_000_000)"), State.OUTPUT, "10 MB'tan fazla"),
        (greet("import os\nos.write(2, b'x' * 100_000_000)"), State.OUTPUT, "10 MB'tan fazla"),
    ],
    ids=[
        "a syntax error", "another name", "an import error", "a name error", "os._exit", "sys.exit",
        "an interrupt", "much output", "much output past Python",
    ],
)  # fmt: skip
def test_what_goes_wrong_is_named(grader: Grader, source: str, state: State, words: str) -> None:
    result = judge(grader, source)
    assert (result.state, result.score) == (state, 0)
    assert words in result.message


@pytest.mark.parametrize(
    "source",
    [
        greet("while True: pass"),
        greet("while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
        greet("return ''", "@(lambda f: [0 for _ in iter(int, 1)])\n"),
        greet("import threading\nthreading.Thread(target=threading.Event().wait).start()\nreturn 'x'"),
    ],
    ids=["in a call", "that catches everything", "at import", "a thread that never ends"],
)
def test_an_endless_loop_ends_at_the_limit_and_its_test_is_known(impatient: Grader, source: str) -> None:
    result = judge(impatient, source)
    assert (result.state, result.score) == (State.TIME, 0)
    assert "1 saniyede bitmedi" in result.message
    assert result.hint


def test_time_in_which_other_programs_have_the_processor_does_not_count(tmp_path: Path) -> None:
    """Six programs on one processor: what takes 0.2 s alone takes more than a second."""
    if sys.platform != "linux":
        pytest.skip("only Linux counts what a process has to wait")
    here = f"import os, time; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})\n"
    with ExitStack() as stack:
        for _ in range(5):
            command = [sys.executable, "-c", f"{here}print(flush=True)\nwhile True: pass"]
            rival = stack.enter_context(  # Linux shares a processor out to sessions
                subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
            )
            stack.callback(rival.kill)
            assert rival.stdout is not None
            rival.stdout.readline()  # it runs
        work = [sys.executable, "-c", f"{here}while time.process_time() < 0.2: pass"]
        done = limited_process.run_limited(
            limited_process.new_process(work, tmp_path, clean_environment(tmp_path, [])), Limits(seconds=0.8)
        )
    assert (done.ended, done.returncode) == (Ended.ITSELF, 0)


@posix_only
@pytest.mark.parametrize(
    "body",
    [
        "bytearray(10 * 1024**3)\nreturn f'Merhaba {name or \"herkes\"}'",
        "kept = []\nwhile True:\n    kept.append(bytearray(50_000_000))",
    ],
    ids=["at once", "bit by bit"],
)
def test_ten_gigabytes_are_not_given(sparing: Grader, body: str) -> None:
    result = judge(sparing, greet(body))
    assert (result.state, result.score) == (State.MEMORY, 0)
    assert "bellek" in result.message


def test_memory_is_watched_from_outside_too(sparing: Grader) -> None:
    """As on a system whose kernel sets no limit."""
    body = "import time\nkept = b'x' * 400_000_000\ntime.sleep(60)"
    assert judge(sparing, greet(body)).state is State.MEMORY


@pytest.fixture
def runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of this test's grading runs, which other programs' runs do not share."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


# Each is bounded by itself, should the grader fail to stop it: so many processes, so many seconds.
BOMB = """import os, time
until = time.time() + 5
while time.time() < until:
    time.sleep(0.02)
    os.fork()
return "x"
"""
ROW = """import os, sys, time
for _ in range(300):
    if os.fork() == 0:
        {leave}time.sleep(30)
        os._exit(0)
return "x"
"""


@posix_only
@pytest.mark.parametrize(
    "body",
    [BOMB, ROW.format(leave=""), ROW.format(leave="os.setsid(); ")],
    ids=["a bomb", "a row", "a row that leaves the session"],
)
def test_a_fork_bomb_is_ended_with_all_its_children(grader: Grader, body: str, runs_folder: Path) -> None:
    result = judge(grader, greet(body))
    assert result.score == 0
    assert left_over(runs_folder) == []
    if "setsid" not in body:
        assert (result.state, "process başlattı" in result.message) == (State.PROCESSES, True)


@posix_only
@pytest.mark.parametrize("leave", ["", "os.setsid()"])
def test_what_a_right_answer_leaves_running_is_ended_too(
    grader: Grader, leave: str, runs_folder: Path
) -> None:
    body = f"""import os, time
if os.fork() == 0:
    {leave or "pass"}
    time.sleep(600)
    os._exit(0)
return f"Merhaba {{name or 'herkes'}}"
"""
    started = time.monotonic()
    assert judge(grader, greet(body)).passed
    assert time.monotonic() - started < 60
    assert left_over(runs_folder) == []


def left_over(runs_folder: Path) -> list[int]:
    """The processes of this test's grading runs, which are started with a path in that folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(argument.startswith(str(runs_folder)) for argument in process.info["cmdline"] or [])
    ]


EQUAL = "class Any:\n    def __eq__(self, other): return True\n"
TAMPERING = {
    "reports patched": greet(
        "import sys\nreports = sys.modules['_pytest.reports']\n"
        "make = reports.TestReport.from_item_and_call.__func__\n"
        "def good(cls, item, call):\n    call.excinfo = None\n    return make(cls, item, call)\n"
        "reports.TestReport.from_item_and_call = classmethod(good)\nreturn 'x'"
    ),
    "calls patched": greet(
        "import sys\nsys.modules['_pytest.python'].Function.runtest = lambda self: None\nreturn 'x'"
    ),
    "equal to everything": greet("return Any()", EQUAL),
    "equal to everything, made in the call": greet(EQUAL + "return Any()"),
    "its class is equal to every class": greet(
        "return Any()",
        "class Same(type):\n    def __eq__(self, other): return True\n"
        "    def __hash__(self): return hash(int)\n" + EQUAL.replace("Any:", "Any(metaclass=Same):"),
    ),
    "a text equal to everything": greet(
        "return type('Any', (str,), {'__eq__': lambda a, b: True, '__hash__': str.__hash__})('x')"
    ),
}


@pytest.mark.parametrize(
    ("body", "tool"),
    [("import pytest\nreturn 'x'", "pytest"), ("from unittest.mock import ANY\nreturn ANY", "unittest")],
)
def test_a_test_tool_in_an_answer_is_named(grader: Grader, body: str, tool: str) -> None:
    result = judge(grader, greet(body))
    assert (result.state, result.score) == (State.TAMPERED, 0)
    assert result.message == f"cevabın içinde test aracı import ediliyor ({tool}): o satırı sil"


@pytest.mark.parametrize("source", TAMPERING.values(), ids=TAMPERING.keys())
def test_a_tampered_run_is_noticed(grader: Grader, source: str) -> None:
    result = judge(grader, source)
    assert (result.state, result.score) == (State.TAMPERED, 0)
    assert "müdahale" in result.message


def test_an_honest_class_with_an_equality_of_its_own_is_no_tampering(grader: Grader) -> None:
    source = greet(
        "return Text(f\"Merhaba {name or 'herkes'}\")",
        "class Text(str):\n    def __eq__(self, other): return str.__eq__(self, other)\n"
        "    def __hash__(self): return str.__hash__(self)\n",
    )
    assert judge(grader, source).passed


def test_a_package_that_no_longer_imports_is_named_where_a_steps_file_imports_it(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    mini.write(course.steps / "test_01_words.py", "from safechat import words\n\n" + mini.STEPS_1)
    broken = greet("return yok_boyle_bir_modul", "import yok_boyle_bir_modul\n")
    with copies(course) as course_copies:
        result = judge(reference_grader(course, course_copies, [1]), broken)
    assert (result.state, result.hint) == (State.FAILED, "f-string ile ismi ekle")
    assert result.message == "ModuleNotFoundError: No module named 'yok_boyle_bir_modul'"


ASKS_FOR_A_PLUGIN = """

@pytest.mark.task("1.1", points=4, hint="eklenti")
def test_plugins(request):
    from safechat.words import greet

    loaded = [name for name in ("anyio", "timeout", "respx") if request.config.pluginmanager.has_plugin(name)]
    assert (loaded, greet("")) == ([PLUGINS], "Merhaba herkes")
"""


@pytest.mark.parametrize("plugins", [[], ["anyio"], ["anyio", "timeout"]], ids=str)
def test_a_run_loads_the_plugins_that_its_course_names_and_no_others(
    tmp_path: Path, plugins: list[str]
) -> None:
    course = mini.mini_course(tmp_path)
    named = ", ".join(map(repr, plugins))
    mini.write(course.steps / "test_01_words.py", mini.STEPS_1 + ASKS_FOR_A_PLUGIN.replace("PLUGINS", named))
    if plugins:
        wanted = " ".join(f"-p {name}" for name in plugins)
        mini.write(course.steps / "grading.ini", f"[pytest]\naddopts = {wanted}\n")
    with copies(course) as course_copies:
        assert reference_grader(course, course_copies, [1]).tasks


def test_other_settings_list_the_tests_anew(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    assert len(collect(course, 2)) == 1
    mini.write(course.steps / "grading.ini", "[pytest]\npython_functions = nothing\n")
    with pytest.raises(CourseError, match="no tests collected"):
        collect(course, 2)


def test_the_process_sees_no_key_an_empty_folder_and_a_home_of_its_own(
    grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-you")
    home = os.environ["HOME"]
    source = greet(
        "import os\nassert not [n for n in os.environ if n.startswith('OPENAI')], 'a key'\n"
        f"assert os.environ['HOME'] != {home!r}\nassert os.listdir() == [], os.listdir()\n"
        "return f\"Merhaba {name or 'herkes'}\""
    )
    result = judge(grader, source)
    assert result.passed, result.message


def test_a_server_on_this_machine_is_not_asked_through_a_proxy(
    grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with real_service() as service:
        for name, value in service.environment().items():
            monkeypatch.setenv(name, value)
        result = judge(grader, mini.FETCHES)
        assert (result.passed, result.message, service.connections) == (True, "", 0)


def test_the_copy_is_tested_and_the_course_is_left_alone(course: Course, grader: Grader) -> None:
    before = course.module(course.tasks[0]).read_bytes()
    source = greet("import safechat\nraise LookupError(safechat.__file__)")
    assert str(course.src) not in judge(grader, source).message
    assert course.module(course.tasks[0]).read_bytes() == before


def test_a_reference_that_fails_is_the_courses_error(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    path = course.module(course.tasks[0])
    path.write_text(path.read_text("utf-8").replace("herkes", "kimse"), "utf-8")
    with copies(course) as course_copies, pytest.raises(CourseError, match="test_greets_all"):
        reference_grader(course, course_copies)


def test_a_test_without_its_mark_is_the_courses_error(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    mini.write(course.steps / "test_01_words.py", "def test_it(): pass\n")
    needs_a_mark = r"test_it needs @pytest\.mark\.task"
    with copies(course) as course_copies, pytest.raises(CourseError, match=needs_a_mark):
        reference_grader(course, course_copies, [1])


def test_the_lessons_own_first_line_in_a_cell_is_no_tampering(grader: Grader) -> None:
    cell = mini.GOOD_GREET.replace("def greet", "from odev import check\n\ndef greet") + "check('1.1')\n"
    assert judge(grader, cell).passed


def test_a_name_that_the_cell_does_not_have_is_told_in_place_of_a_hint(grader: Grader) -> None:
    result = judge(grader, greet("return SELAM + name"))
    assert result.state is State.CRASHED
    assert "`SELAM` bu hücrede tanımlı değil" in result.hint


def test_an_exception_is_told_with_the_line_that_raised_it(grader: Grader) -> None:
    assert judge(grader, greet("return name.lowr()")).message.endswith("← return name.lowr()")


def test_a_crash_is_told_apart_with_its_call_its_line_and_its_error(grader: Grader) -> None:
    result = judge(grader, greet("return name.lowr()"))
    assert result.state is State.CRASHED
    assert result.crash == Crash(
        "greet(name='Ayşe')", "return name.lowr()", "AttributeError: 'str' object has no attribute 'lowr'"
    )


def test_a_crash_in_what_the_code_calls_is_at_the_line_that_calls_it(grader: Grader) -> None:
    result = judge(grader, greet("import json\nreturn json.loads(name)"))
    assert result.crash is not None
    assert result.crash.line == "return json.loads(name)"


def test_a_crash_in_a_helper_of_the_package_is_at_the_answers_line(grader: Grader) -> None:
    result = judge(grader, greet("length = count(3)\nreturn str(length)"))
    assert result.crash is not None
    assert (result.crash.line, result.crash.call) == ("length = count(3)", "greet(name='Ayşe')")


@pytest.mark.parametrize("body", ["return 'x'", "return None"])
def test_a_value_that_is_wrong_is_no_crash(grader: Grader, body: str) -> None:
    result = judge(grader, greet(body))
    assert (result.state, result.crash) == (State.FAILED, None)


def test_an_error_of_the_packages_own_is_no_crash(grader: Grader) -> None:
    source = greet("raise Impolite(name)", "class Impolite(Exception): pass\n")
    result = judge(grader, source)
    assert (result.state, result.crash) == (State.FAILED, None)
    assert "Impolite" in result.message


def test_it_says_how_many_of_how_many_tests_passed(grader: Grader) -> None:
    result = judge(grader, mini.WRONG["1.1_never_all"])
    assert (result.passed_tests, result.tests) == (1, 2)


class Busy:
    """Stands in for the runs: the first ones end like this, all others are real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *runs: Run) -> None:
        self._runs = list(runs)
        monkeypatch.setattr(grader_module, "run_tests", self)

    def __call__(self, *arguments: Any) -> Run:
        return self._runs.pop(0) if self._runs else run_tests(*arguments)


@pytest.mark.parametrize("ended", [Ended.BUSY, Ended.WALL])
def test_a_right_answer_that_a_busy_computer_kept_waiting_is_run_once_more(
    grader: Grader, monkeypatch: pytest.MonkeyPatch, ended: Ended
) -> None:
    Busy(monkeypatch, Run(ended))
    assert judge(grader, mini.GOOD_GREET).passed


def test_a_right_answer_whose_files_another_cell_removed_is_run_once_more(
    grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def removed(*arguments: Any) -> Run:
        monkeypatch.setattr(grader_module, "run_tests", run_tests)
        shutil.rmtree(arguments[0].course.root)
        raise FileNotFoundError

    monkeypatch.setattr(grader_module, "run_tests", removed)
    assert judge(grader, mini.GOOD_GREET).passed
    Busy(monkeypatch, Run(Ended.ITSELF, spoilt=True))
    assert judge(grader, mini.GOOD_GREET).passed


@pytest.mark.parametrize("target", ["os.path.dirname(safechat.__file__)", "'../control'"])
def test_a_run_whose_files_changed_while_it_ran_is_known(
    grader: Grader, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    runs: list[Run] = []

    def recorded(*arguments: Any) -> Run:
        runs.append(run_tests(*arguments))
        return runs[-1]

    monkeypatch.setattr(grader_module, "run_tests", recorded)
    judge(grader, greet(f"import os, shutil, safechat\nshutil.rmtree({target})\nreturn 'x'"))
    assert [run.spoilt for run in runs] == [True, True]
    runs.clear()
    judge(grader, mini.GOOD_GREET)
    assert [run.spoilt for run in runs] == [False]


def test_a_busy_computer_is_named_without_a_hint(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    Busy(monkeypatch, Run(Ended.BUSY), Run(Ended.BUSY))
    result = judge(grader, mini.GOOD_GREET)
    assert (result.state, result.hint, result.test) == (State.BUSY, "", "")
    assert "bilgisayar çok meşgul" in result.message


def test_an_own_endless_loop_is_not_run_again(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    Busy(monkeypatch, Run(Ended.TIME, running="test_01"))
    assert judge(grader, mini.GOOD_GREET).state is State.TIME


def test_one_that_is_alone_waits_for_those_that_share_and_lets_none_in() -> None:
    turns, order, inside = Turns(), [], threading.Event()

    def alone() -> None:
        with turns.alone():
            order.append("alone")

    def beside() -> None:
        with turns.beside_others():
            order.append("beside")

    with turns.beside_others():
        first = threading.Thread(target=alone)
        first.start()
        while not turns._wanting_alone:
            inside.wait(0.01)
        second = threading.Thread(target=beside)
        second.start()
        inside.wait(0.05)
        assert order == []
    first.join()
    second.join()
    assert order == ["alone", "beside"]


LONG = "1" + " + 1" * 20_000
JUDGED_ODDLY = {
    "a long expression": greet(f"return {LONG}"),
    "a deep expression": greet(f"return {'-' * 5_000}1"),
    "a null byte": greet("return '\0'"),
    "a lone surrogate": greet("return '\ud800'"),
}


@pytest.mark.parametrize("source", JUDGED_ODDLY.values(), ids=JUDGED_ODDLY.keys())
def test_what_python_cannot_read_costs_its_own_task(grader: Grader, source: str) -> None:
    result = judge(grader, source)
    assert result.score == 0
    assert result.state in (State.UNREADABLE, State.UNJUDGED, State.FAILED, State.CRASHED)
    assert result.message


def test_whatever_judging_raises_is_a_state_with_its_reason(
    grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise RecursionError("maximum recursion\ndepth")

    monkeypatch.setattr(grader_module, "run_tests", fails)
    result = judge(grader, mini.GOOD_GREET)
    assert (result.state, result.score, result.hint) == (State.UNJUDGED, 0, "")
    assert result.message == "bu hücre puanlanamadı (RecursionError: maximum recursion depth)"


def test_a_parser_that_fails_by_a_fault_of_pythons_own_is_asked_again(
    grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([SystemError("AST constructor recursion depth mismatch (before=51, after=44)")])
    parsed = grader_module.is_stub

    def fails_once(source: str, task: Task) -> bool:
        for failure in failures:
            raise failure
        return parsed(source, task)

    monkeypatch.setattr(grader_module, "is_stub", fails_once)
    assert judge(grader, mini.GOOD_GREET).passed


# At the end of the run, when pytest has written its report.
AT_EXIT = """import atexit, glob, os, sys
def spoil():
    control = os.path.join(os.path.dirname(os.getcwd()), "control")
    report, listed = os.path.join(control, "report.xml"), os.path.join(control, "tests.json")
    {spoil}
atexit.register(spoil)
return "x"
"""
SPOILT = {
    "another encoding": "open(report, 'w', encoding='utf-16').write('<?xml version=\"1.0\"?><a/>')",
    "an unknown encoding": "open(report, 'wb').write(b'<?xml version=\"1.0\" encoding=\"klingon\"?><a/>')",
    "no xml": "open(report, 'wb').write(bytes(range(256)))",
    "no json": "open(listed, 'wb').write(b'\\xff{')",
    "json of another kind": "open(listed, 'w').write('[[1], 2]')",
    "tests of nobody": "open(listed, 'w').write('[{\"nodeid\": \"a\"}]')",
    "huge": "f = open(report, 'wb'); f.truncate(40_000_000)",
    "a huge name": "f = open(os.path.join(control, 'started'), 'wb'); f.truncate(40_000_000)",
    "a removed folder": "import shutil; shutil.rmtree(control); shutil.rmtree(os.getcwd())",
    "a link to a device": "os.remove(report); os.symlink('/dev/zero', report)",
    "a pipe": "os.remove(report); os.mkfifo(report)",
    "a folder": "os.remove(report); os.mkdir(report)",
}


@posix_only
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_spoilt_report_costs_its_own_task(grader: Grader, spoil: str) -> None:
    result = judge(grader, greet(AT_EXIT.format(spoil=spoil)))
    assert (result.score, result.tests) == (0, 2)
    assert result.message


@posix_only
def test_thousands_of_folders_within_each_other_are_removed(grader: Grader, runs_folder: Path) -> None:
    body = (
        "import os\nfor _ in range(3000):\n    os.mkdir('x'); os.chdir('x')\nos.chmod('..', 0)\n"
        "return f\"Merhaba {name or 'herkes'}\""
    )
    judge(grader, greet(body))
    assert list(runs_folder.iterdir()) == []


def test_no_cell_changes_what_others_are_judged_by(course: Course, grader: Grader, tmp_path: Path) -> None:
    """It finds what it is tested by, and writes its own answer and a test that asks for nothing."""
    hostile = greet(
        "import glob, os, sys, safechat\nsrc = os.path.dirname(os.path.dirname(safechat.__file__))\n"
        "root = os.path.dirname(src)\n"
        "assert not root.startswith(COURSE)\n"
        "for path in glob.glob(root + '/**/*.py*', recursive=True):\n    open(path, 'w').close()\n"
        "return 'x'".replace("COURSE", repr(str(course.root)))
    )
    assert judge(grader, hostile).score == 0
    assert judge(grader, mini.GOOD_GREET).passed
    assert judge(grader, mini.WRONG["1.1_no_name"]).state is State.FAILED


def test_what_happens_to_the_course_on_disk_changes_no_run(tmp_path: Path) -> None:
    course = mini.mini_course(tmp_path)
    with copies(course) as course_copies:
        grader = reference_grader(course, course_copies, [1], LIMITS)
        mini.write(course.module(grader.tasks[0]), "")
        mini.write(course.steps / "test_01_words.py", "")
        assert judge(grader, mini.GOOD_GREET).passed


def test_canaries_have_other_names_in_each_run(tmp_path: Path) -> None:
    first, names = write_canaries(tmp_path)
    second, others = write_canaries(tmp_path)
    assert first != second
    assert (len(names), len(others), names & others) == (6, 6, frozenset())
    assert "canary_" not in first.read_text("utf-8").replace("write_canaries", "").partition("def test_")[2]


@pytest.mark.parametrize(
    ("source", "thing"),
    [
        (greet("import sys\nreturn 'x'"), "sys"),
        (greet("return 'x'", "from os import path\n"), "os"),
        (greet("exec('1')\nreturn 'x'"), "exec"),
        (greet("return open('x').read()"), "open"),
        (greet("return name.__class__.__subclasses__()"), "__subclasses__"),
        (greet("return A()", "class A:\n    def __eq__(self, other): return False\n"), "__eq__"),
        (greet("return type('A', (), {'__eq__': print})"), "__eq__"),
        (greet("raise ValueError", "def f(frame): return frame.f_back\n"), "f_back"),
    ],
    ids=["sys", "os", "exec", "open", "subclasses", "an equality", "a hidden equality", "a frame"],
)
def test_what_is_cheap_to_see_is_noted(source: str, thing: str) -> None:
    (note,) = unusual_things(source, mini.MODULE)
    assert f"`{thing}`" in note


def test_what_the_module_itself_uses_is_not_noted(grader: Grader) -> None:
    assert unusual_things(greet("import sys\nreturn sys.path"), "import sys\n") == ()
    assert unusual_things(mini.GOOD_QUEUE, mini.MODULE) == ()


def test_a_note_costs_no_points(grader: Grader) -> None:
    result = judge(grader, greet("import sys\nreturn f\"Merhaba {name or 'herkes'}\""))
    assert (result.passed, len(result.notes)) == (True, 1)
