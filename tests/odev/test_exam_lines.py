"""The exam's ten lines as pure functions, and the counts that they judge by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from odev.exam import day, lines
from odev.exam.day import ECHO, SCENES, Step
from odev.exam.exam import judge
from odev.exam.facts import Counts, Day, Report, count, count_logged, leaks, read_report

STEP = Step("adım", 3)
EXPECTED_KINDS = {
    "kesinti": ("server_error",),
    "kredi": ("quota_exhausted",),
    "başlık": ("request_rejected",),
}


def good_counts(step: Step) -> Counts:
    if step.name in EXPECTED_KINDS:
        named = Counts(step.calls, named=step.calls, kinds=EXPECTED_KINDS[step.name])
        return replace(named, requests=20 if step.name == "kesinti" else step.calls)
    return Counts(step.calls, answered=step.calls, requests=step.calls)


def good_day(**changes: Mapping[str, object]) -> Day:
    """A day without a loss, with these counts of these steps changed."""
    steps = {step.name: good_counts(step) for scene in SCENES for step in scene.steps}
    for name, fields in changes.items():
        steps[name] = replace(steps[name], **fields)  # type: ignore[arg-type]
    return Day(steps, ended=311, logged=311, vault_reads=8)


def lost(of: Day) -> list[int]:
    """The numbers of the lines that are lost, the first is 1."""
    return [number for number, line in enumerate(judge(of).lines, 1) if not line.package.passed]


def test_the_day_has_300_calls_and_no_prompt_twice() -> None:
    prompts = [prompt for scene in SCENES for step in scene.steps for prompt in step.prompts()]
    assert len(prompts) == len(set(prompts)) == day.CALLS == 300


def test_the_lines_are_ten_and_give_a_hundred_points() -> None:
    assert (len(lines.RULES), lines.ALL_POINTS) == (10, 100)


def test_a_day_without_a_loss_has_all_points() -> None:
    exam = judge(good_day())
    assert (exam.score, exam.points, exam.passed) == (100, 100, True)


@pytest.mark.parametrize(
    ("step", "fields", "number"),
    [
        ("kalabalık", {"refused": 4}, 1),
        ("kalabalık", {"answered": 59, "named": 1}, 1),
        ("bekle", {"answered": 24, "named": 1}, 2),
        ("bekle", {"findings": ("retry_after_ignored",)}, 2),
        ("aksama", {"findings": ("no_backoff",)}, 2),
        ("kesinti", {"requests": 41}, 3),
        ("kesinti", {"named": 59, "unnamed": 1}, 3),
        ("kesinti", {"named": 59}, 3),
        ("dönüş", {"answered": 9, "named": 1}, 3),
        ("emekli", {"answered": 0, "named": 15}, 4),
        ("sessiz", {"answered": 14}, 4),
        ("kredi", {"requests": 30}, 5),
        ("kredi", {"kinds": ("rate_limited",)}, 5),
        ("başlık", {"named": 0, "unnamed": 10, "kinds": ()}, 5),
        ("yarım", {"answered": 9, "wrong": 1}, 6),
        ("kopuk", {"answered": 19, "wrong": 1}, 6),
        ("yeni anahtar", {"answered": 9, "named": 1}, 7),
        ("yeni anahtar", {"denied": 10}, 7),
        ("mühür", {"answered": 0, "named": 10}, 8),
    ],
)
def test_what_goes_wrong_in_a_step_costs_its_line(step: str, fields: dict[str, object], number: int) -> None:
    assert lost(good_day(**{step: fields})) == [number]


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({"vault_reads": 0}, [8]),
        ({"logged": 310}, [9]),
        ({"leaks": ("dosyalarda",)}, [10]),
        ({"ended": 150, "logged": 150}, [9, 10]),
        ({"ended": 0, "logged": 0}, [9, 10]),
    ],
)
def test_what_concerns_the_whole_day(fields: dict[str, object], numbers: list[int]) -> None:
    assert lost(replace(good_day(), **fields)) == numbers  # type: ignore[arg-type]


def test_a_few_refusals_and_requests_more_are_forgiven_to_a_busy_computer() -> None:
    assert lost(good_day(kalabalık={"refused": 3}, kredi={"requests": 12}, kesinti={"requests": 40})) == []


def test_a_key_that_no_error_repeated_shows_nothing() -> None:
    assert 10 in lost(good_day(başlık={"requests": 0}))


def test_a_day_on_which_nothing_ran_has_no_points_and_a_whole_table() -> None:
    nothing = Day({step.name: Counts(step.calls) for scene in SCENES for step in scene.steps})
    exam = judge(nothing, nothing)
    assert exam.score == 0
    assert all(line.package.text for line in exam.lines)


def test_a_line_says_what_was_counted() -> None:
    (line, *_) = judge(good_day()).lines
    assert line.package.text == "60 istek birden: hepsi cevaplandı, 429 yok"


def test_a_line_that_is_lost_says_why() -> None:
    broken = {"answered": 0, "unnamed": 50, "first_error": "ÖDEV 3.2 henüz yazılmadı"}
    (line, *_) = judge(good_day(kalabalık=broken)).lines
    assert "10 çağrı hiç bitmedi" in line.package.text
    assert "ÖDEV 3.2 henüz yazılmadı" in line.package.text


def test_the_named_errors_of_an_outage_are_no_reason() -> None:
    line = judge(good_day(kesinti={"requests": 82})).lines[2]
    assert line.package.text == "kesintide 60 çağrı için 82 istek; API dönünce 10 çağrı, 10 cevap"


def answered(position: int, text: str | None = None) -> Report:
    return Report(position, f"adım/{position}/0", text or f"{ECHO}adım {position + 1}")


def request(prompt: str, status: int | None = 200) -> dict[str, object]:
    return {"prompt": prompt, "status": status}


def test_an_answer_counts_where_the_api_has_given_it() -> None:
    given = [request("adım 1"), request("adım 2", 503)]
    counts = count(STEP, [answered(0), answered(1), answered(2)], given)
    assert (counts.answered, counts.wrong) == (1, 2)


def test_a_half_answer_is_a_wrong_one() -> None:
    counts = count(STEP, [answered(0, ECHO)], [request("adım 1")])
    assert (counts.answered, counts.wrong, counts.lost) == (0, 1, 2)


def test_of_a_call_that_was_asked_again_the_last_report_counts() -> None:
    broke_off = Report(0, "adım/0/0", error="TruncatedReply", kind="truncated_reply", named=True)
    counts = count(STEP, [broke_off, answered(0)], [request("adım 1"), request("adım 1")])
    assert (counts.answered, counts.named, counts.noticed, counts.requests) == (1, 0, 1, 2)


def test_refusals_and_denials_are_those_that_the_api_sent() -> None:
    counts = count(STEP, [], [request("adım 1", 429), request("adım 1", 401), request("adım 1", None)])
    assert (counts.refused, counts.denied, counts.requests) == (1, 1, 3)


def test_a_stub_is_named_by_its_task() -> None:
    stub = Report(0, "", error="NotImplementedError", message="ÖDEV 4.3")
    assert count(STEP, [stub], []).first_error == "ÖDEV 4.3 henüz yazılmadı"


def test_a_stub_is_named_by_its_task_in_an_error_of_the_package_too() -> None:
    text = "gpt-5-mini: unexpected NotImplementedError: ÖDEV 0.1"
    quoted = Report(1, "", error="ChatError", message=text, kind="error", named=True)
    assert count(STEP, [quoted], []).first_error == "ÖDEV 0.1 henüz yazılmadı"


def test_a_call_that_does_not_exist_is_not_counted() -> None:
    assert count(STEP, [answered(3), answered(-1)], [request("adım 4")]).lost == 3


@pytest.mark.parametrize("fields", [{}, {"call": "0"}, {"call": True}, {"call": 0, "text": 5}])
def test_a_line_that_is_no_report_is_none(fields: dict[str, object]) -> None:
    assert read_report(fields) is None


def log_line(number: str, outcome: str = "ok", **fields: object) -> str:
    record = {"event": "chat.call", "call_id": "c", "exam_call": number, "outcome": outcome}
    return json.dumps({**record, **fields})


FAILED = Report(1, "adım/1/0", error="ServerError", kind="server_error", named=True)


@pytest.mark.parametrize(
    ("log", "logged"),
    [
        ([log_line("adım/0/0"), log_line("adım/1/0", "server_error")], 2),
        ([log_line("adım/0/0"), log_line("adım/0/0"), log_line("adım/1/0", "server_error")], 1),
        ([log_line("adım/0/0"), log_line("adım/1/0", "ok")], 1),
        ([log_line("adım/0/0", call_id=None), log_line("adım/1/0", "server_error", event="chat.retry")], 0),
        (["no json", "[1]", "[" * 100_000, ""], 0),
    ],
)
def test_a_question_is_logged_by_one_record_with_its_outcome(log: list[str], logged: int) -> None:
    assert count_logged(log, [answered(0), FAILED]) == logged


def test_a_leak_is_named_by_its_place() -> None:
    places = {"hatalarda": ["…"], "dosyalarda": ["temiz", "sk-1 burada"]}
    assert leaks(["sk-1", "sk-2"], places) == ("dosyalarda",)
