"""What pytest is told about the steps' tests: the mark `task`, and tests of some tasks alone.

`@pytest.mark.task("1.2", points=6, hint="…")`. pyproject.toml loads it
(`-p odev.pytest_plugin`). Each test's task, points and hint go into the JUnit
report as properties, where the grading reads them. With `--submission=DIR` (or a
zip) the same tests are run against a submission; submission_items.py says how.

Write the `=`. With a space pytest, which reads its arguments once before it knows
this option, looks for its settings in DIR's parents: that works for a folder inside
the project, and for any other only with `tests/steps` before it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

MARKER = (
    'task(id, points, hint): the task that this test is of, all its points, a hint (Turkish): "1.2", 6, "…"'
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("odev", "the course")
    group.addoption(
        "--submission", metavar="DIR", help="(--submission=DIR) the steps' tests against a folder, a zip"
    )
    group.addoption("--odev-task", action="append", metavar="ID", help="only this task's tests, as 1.2")
    group.addoption("--odev-list", metavar="FILE", help="write the list of the steps' tests here (JSON)")


def pytest_configure(config: pytest.Config) -> None:
    if not any(line.startswith("task(") for line in config.getini("markers")):
        config.addinivalue_line("markers", MARKER)
    if config.getoption("--submission") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        from odev.course.course import find_course

        config.args[:] = [str(find_course(config.rootpath).steps)]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--odev-task")
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        mark = item.get_closest_marker("task")
        if mark is not None:
            item.user_properties += [("nodeid", item.nodeid), *_told(mark).items()]
        is_wanted = not wanted or mark is None or _told(mark)["task"] in wanted
        (kept if is_wanted else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept
    if config.getoption("--submission") and not config.getoption("--odev-list"):
        _against_submission(config, items)


def _against_submission(config: pytest.Config, items: list[pytest.Item]) -> None:
    from odev.course.course import CourseError, find_course
    from odev.grading.steps import step_test
    from odev.instructor.pytest_items import against

    course = find_course(config.rootpath)
    path = (config.invocation_params.dir / config.getoption("--submission")).resolve()
    if not path.exists():
        raise pytest.UsageError(f"--submission: there is no {path}")
    try:
        steps = [item for item in items if item.get_closest_marker("task") is not None]
        tests = [step_test({key: str(value) for key, value in item.user_properties}) for item in steps]
        judged, items[:] = against(course, path, steps, tests)
    except CourseError as error:
        raise pytest.UsageError(str(error)) from None
    config.add_cleanup(judged.close)
    for warning in judged.warnings:
        config.issue_config_time_warning(pytest.PytestWarning(f"{path.name}: {warning}"), stacklevel=1)


def pytest_collection_finish(session: pytest.Session) -> None:
    target = session.config.getoption("--odev-list")
    if target:
        steps = [item for item in session.items if item.path.name != "canary.py"]
        tests = [dict(item.user_properties) or {"nodeid": item.nodeid} for item in steps]
        Path(target).write_text(json.dumps(tests, ensure_ascii=False), encoding="utf-8")


def _told(mark: pytest.Mark) -> dict[str, str]:
    return {
        "task": str(mark.args[0]) if mark.args else "",
        "points": str(mark.kwargs.get("points", "")),
        "hint": str(mark.kwargs.get("hint", "")),
    }
