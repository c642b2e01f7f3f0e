"""The script of the exam's day, as data: its scenes, what goes wrong in them, and how many calls they make.

A scene is a program of its own with one wrapper, and a step of it is a number of calls after something has
changed. The times are short (a Retry-After of a second, an outage of two), so that the day takes a minute.
Not here: the program that makes the calls (program.py), who lets the steps happen (lane.py), what the
calls are worth (lines.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from odev.classroom.api import ClassroomAPI
from odev.classroom.faults import Fault

MODEL, OTHER_MODEL, BACKUP = "gpt-5-mini", "gpt-5-nano", "gpt-6.1-terra"
DAY_AFTER = "2026-12-12"  # the first day without MODEL and OTHER_MODEL
COOLDOWN = 2.0  # seconds in which a model that failed is left alone
ECHO = "Hello! You said: "  # how the API answers: this, and the prompt


class Stage(Protocol):
    """What a step changes: the API, and the Vault where the program has one."""

    api: ClassroomAPI

    def rotate(self) -> None:
        """Put a new key into the Vault; from now on the API refuses the one before."""

    def seal(self) -> None:
        """Seal the Vault until the end of the day."""


def _nothing(stage: Stage) -> None:
    """All is well."""


@dataclass(frozen=True, slots=True)
class Step:
    """`calls` calls, `at_once` of them at the same time, after `prepare` and `pause` seconds.

    With `again` the program asks again after an error, as one does whose answer broke off.
    """

    name: str
    calls: int
    prepare: Callable[[Stage], None] = _nothing
    at_once: int = 6
    way: Literal["sync", "async", "stream"] = "sync"
    model: str = MODEL
    pause: float = 0.0
    again: bool = False

    def prompts(self) -> list[str]:
        """The prompt of each call; no two of the day are equal."""
        return [f"{self.name} {number}" for number in range(1, self.calls + 1)]


@dataclass(frozen=True, slots=True)
class Scene:
    """`options` are settings of the wrapper, by the names that program.py knows."""

    hour: str
    steps: tuple[Step, ...]
    options: Mapping[str, object] = field(default_factory=dict)


def _few_a_second(stage: Stage) -> None:
    stage.api.settings(requests_per_second=12)


def _too_many(stage: Stage) -> None:
    stage.api.behave("fail", status=429, retry_after=1, times=4)


def _stumbles(stage: Stage) -> None:
    stage.api.behave("fail", status=503, retry_after=0.3, times=5)


def _down(stage: Stage) -> None:
    stage.api.behave("fail", status=503, retry_after=0.1, times=None)


def _gone(stage: Stage) -> None:
    stage.api.settings(today=DAY_AFTER)


def _silent(stage: Stage) -> None:
    stage.api.settings(today=None)
    stage.api.fault(*(Fault("hang", times=None, model=model) for model in (MODEL, OTHER_MODEL)))


def _no_credit(stage: Stage) -> None:
    message = "You exceeded your current quota, please check your plan and billing details."
    stage.api.behave("fail", status=429, code="insufficient_quota", message=message, times=None)


def _repeats_the_key(stage: Stage) -> None:
    """As some gateways do, the API answers with the header that it does not like."""
    message = f"Invalid header 'Authorization: Bearer {stage.api.key}'"
    stage.api.behave("fail", status=400, message=message, times=None)


def _cut_at_the_limit(stage: Stage) -> None:
    stage.api.behave("reply", text=ECHO, finish_reason="length", times=4)


def _cut_on_the_way(stage: Stage) -> None:
    stage.api.behave("stream_fault", kind="truncate", after_chunks=3, times=4)
    stage.api.behave("stream_fault", kind="disconnect", after_chunks=3, times=3)


SCENES = (
    Scene(
        "09.00",
        (Step("kalabalık", 60, _few_a_second, at_once=60, way="async"),),
        {"requests_per_minute": 480},
    ),
    Scene("10.00", (Step("bekle", 25, _too_many), Step("aksama", 25, _stumbles)), {"attempts": 6}),
    Scene(
        "11.00",
        (Step("kesinti", 60, _down), Step("dönüş", 10, at_once=1, pause=COOLDOWN + 0.5)),
        {"failures": 3},
    ),
    Scene(
        "13.00",
        (Step("emekli", 15, _gone), Step("sessiz", 15, _silent, model=OTHER_MODEL)),
        {"fallbacks": [BACKUP], "failures": 3, "attempts": 1, "timeout": 3.0},
    ),
    Scene("14.00", (Step("kredi", 10, _no_credit), Step("başlık", 10, _repeats_the_key))),
    Scene(
        "15.00",
        (
            Step("yarım", 10, _cut_at_the_limit, again=True),
            Step("kopuk", 20, _cut_on_the_way, way="stream", again=True),
        ),
    ),
    Scene("16.00", (Step("anahtar", 10), Step("yeni anahtar", 10, lambda stage: stage.rotate(), at_once=3))),
    Scene(
        "23.00",
        (Step("kasa", 10), Step("mühür", 10, lambda stage: stage.seal(), pause=1.0)),
        {"ttl": 0.5},
    ),
)

CALLS = sum(step.calls for scene in SCENES for step in scene.steps)


def as_json(step: Step) -> str:
    """What the program has to know of a step, in one line."""
    return json.dumps(
        {
            "name": step.name,
            "prompts": step.prompts(),
            "at_once": step.at_once,
            "way": step.way,
            "model": step.model,
            "again": step.again,
        }
    )
