"""The pytest plugin for the steps' tests: the mark `task`, and options to choose and list tests.

The mark is `@pytest.mark.task("1.2", points=6, hint="…", more="…")`: `hint` says where
to look, `more` says more, on request (`check("1.2", ipucu=2)`). pyproject.toml loads the
plugin (`-p odev.pytest_plugin`). The JUnit report gets each test's task, points and
hint as properties; the grading reads them there. With `--submission=DIR` (or a zip)
the same tests run against a submission. Not here: how they do (instructor/pytest_items.py).

Write the `=`. pytest reads its arguments once before it knows this option. With a
space it therefore looks for its settings in DIR's parents. That works for a folder in
the project; for any other folder only with `tests/steps` before it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TASK_MARK = "task(id, points, hint, more): its task, all points of that task, two hints in Turkish"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("odev", "the course")
    group.addoption(
        "--submission",
        metavar="DIR",
        help="(--submission=DIR) run the steps' tests against a folder or a zip",
    )
    group.addoption(
        "--odev-task", action="append", metavar="ID", help="only the tests of this task, written as 1.2"
    )
    group.addoption("--odev-list", metavar="FILE", help="write the list of the steps' tests here (JSON)")


def pytest_configure(config: pytest.Config) -> None:
    if not any(line.startswith("task(") for line in config.getini("markers")):
        config.addinivalue_line("markers", TASK_MARK)
    if config.getoption("--submission") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        from odev.course.course import find_course

        config.args[:] = [str(find_course(config.rootpath).steps)]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--odev-task")
    selected: list[pytest.Item] = []
    deselected: list[pytest.Item] = []
    for item in items:
        mark = item.get_closest_marker("task")
        if mark is not None:
            item.user_properties += [("nodeid", item.nodeid), *_task_properties(mark).items()]
        is_wanted = not wanted or mark is None or _task_properties(mark)["task"] in wanted
        (selected if is_wanted else deselected).append(item)
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = selected
    if config.getoption("--submission") and not config.getoption("--odev-list"):
        _use_submission(config, items)


def _use_submission(config: pytest.Config, items: list[pytest.Item]) -> None:
    from odev.course.course import CourseError, find_course
    from odev.grading.steps import step_test
    from odev.instructor.pytest_items import items_for

    course = find_course(config.rootpath)
    path = (config.invocation_params.dir / config.getoption("--submission")).resolve()
    if not path.exists():
        raise pytest.UsageError(f"--submission: there is no {path}")
    try:
        steps = [item for item in items if item.get_closest_marker("task") is not None]
        tests = [step_test({key: str(value) for key, value in item.user_properties}) for item in steps]
        judged, items[:] = items_for(course, path, steps, tests)
    except CourseError as error:
        raise pytest.UsageError(str(error)) from None
    config.add_cleanup(judged.close)
    for warning in judged.warnings:
        config.issue_config_time_warning(pytest.PytestWarning(f"{path.name}: {warning}"), stacklevel=1)


def pytest_collection_finish(session: pytest.Session) -> None:
    target = session.config.getoption("--odev-list")
    if target:
        # The canaries of a grading process lie outside the course.
        steps = [item for item in session.items if session.config.rootpath in item.path.parents]
        tests = [dict(item.user_properties) or {"nodeid": item.nodeid} for item in steps]
        Path(target).write_text(json.dumps(tests, ensure_ascii=False), encoding="utf-8")


def _task_properties(mark: pytest.Mark) -> dict[str, str]:
    return {
        "task": str(mark.args[0]) if mark.args else "",
        "points": str(mark.kwargs.get("points", "")),
        "hint": str(mark.kwargs.get("hint", "")),
        "more": str(mark.kwargs.get("more", "")),
    }
