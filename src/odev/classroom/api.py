"""The classroom's API: LLMock behind the fault layer, and the client that controls it.

Not here: the faults (faults.py), the Vault (vault.py).
"""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from dataclasses import asdict
from typing import Any, cast

from odev.classroom.faults import Fault, FaultLayer
from odev.classroom.loopback import open_url
from odev.classroom.services import hidden_services

with hidden_services():
    from fastapi import FastAPI
    from llmock.chaos import ChaosSettings
    from llmock.simulation import MockResponseSettings
    from llmock.testing import LLMockServer


class ClassroomAPI:
    """The classroom's API seen from outside: its address, its key, and the control of its behaviour."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.base_url = f"{url}/v1"
        self.key = key

    def fault(self, *faults: Fault) -> None:
        """Make the next chat requests fail in these ways, after those that were asked for before."""
        self._post("/_odev/faults", {"faults": [asdict(fault) for fault in faults]})

    def behave(self, type: str, **details: object) -> None:
        """Ask for one of LLMock's behaviours, which its README lists: `fail`, `delay`, `reply`, …"""
        self._post("/_llmock/scenario", {"behaviors": [{"type": type, **details}]})

    def settings(self, **settings: object) -> None:
        """Change `refuses_temperature` (as reasoning models do), `keys` (those that are accepted),
        `shutdown_dates` (by model, as "2026-12-11"), `today`, the day that the API lives on: it refuses
        and does not list the models that are shut down by then (without `today` none is), or
        `requests_per_second`: above it a request gets a 429 with Retry-After (None: no limit)."""
        self._post("/_odev/settings", settings)

    def mend(self, *, keep_requests: bool = False) -> None:
        """Forget faults, behaviours and, unless they are kept, requests; settings stay. Without requests the
        limit of requests a second has all its room again."""
        self._post("/_odev/mend", {"keep_requests": keep_requests})

    def reset(self) -> None:
        """Forget faults, behaviours, settings and requests."""
        self._post("/_odev/reset", {})

    def requests(self) -> list[dict[str, Any]]:
        """The chat requests since the last reset, the oldest first."""
        requests: list[dict[str, Any]] = self._post("/_odev/requests", {})["requests"]
        return requests

    def verdict(self) -> dict[str, Any]:
        """What LLMock holds against the client, since the last reset: `findings`, each with a `code`. It
        judges the requests that were not broken by a `Fault` or a setting."""
        with open_url(f"{self.url}/_llmock/verdict", timeout=10) as answer:
            return cast(dict[str, Any], json.load(answer))

    def forget_verdict(self) -> None:
        """From now on LLMock judges later requests only."""
        with open_url(urllib.request.Request(f"{self.url}/_llmock/requests", method="DELETE"), timeout=10):
            pass

    def is_up(self) -> bool:
        try:
            with open_url(f"{self.url}/health", timeout=2):
                return True
        except OSError:
            return False

    def _post(self, path: str, content: dict[str, object]) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(content).encode(), {"content-type": "application/json"}
        )
        try:
            with open_url(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 400:
                raise
            raise ValueError(json.load(error)["error"]["message"]) from None


def _is_a_problem(record: logging.LogRecord) -> bool:
    """A log filter: warnings, without uvicorn's errors about a body that a fault has cut.

    uvicorn sets the level too, but for all servers at once, and anew while one of them starts.
    """
    return record.levelno >= logging.WARNING and "without completing response" not in record.getMessage()


class APIServer:
    """LLMock behind the fault layer, in a thread of this process."""

    def __init__(self, key: str) -> None:
        self._server = LLMockServer(
            chaos=ChaosSettings(), responses=MockResponseSettings(response_style="echo")
        )
        self._server.app = cast(FastAPI, FaultLayer(self._server.app, {key}))
        self._key = key
        logging.getLogger("uvicorn.error").addFilter(_is_a_problem)

    def start(self) -> ClassroomAPI:
        return ClassroomAPI(self._server.start().url, self._key)

    def stop(self) -> None:
        running = self._server._server
        if running is not None:
            running.force_exit = True  # do not wait for requests that hang on purpose
        self._server.stop()
