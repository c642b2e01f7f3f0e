"""The classroom's API: LLMock behind the fault layer, and how a program tells it to behave.

Not here: the faults (faults.py), the Vault (vault.py).
"""

from __future__ import annotations

import json
import logging
import urllib.request
from dataclasses import asdict
from typing import Any, cast

from fastapi import FastAPI
from llmock.chaos import ChaosSettings
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer

from odev.classroom.faults import Fault, FaultLayer
from odev.classroom.loopback import open_url


class ClassroomAPI:
    """The classroom's API, from the outside: where it is, which key it takes, how it is to behave."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.base_url = f"{url}/v1"
        self.key = key

    def fault(self, *faults: Fault) -> None:
        """How the next chat requests fail."""
        self._tell("/_odev/faults", {"faults": [asdict(each) for each in faults]})

    def behave(self, type: str, **details: object) -> None:
        """One of LLMock's own behaviours, as its README lists them: `fail`, `delay`, `reply`, …"""
        self._tell("/_llmock/scenario", {"behaviors": [{"type": type, **details}]})

    def settings(self, **settings: object) -> None:
        """`refuses_temperature`: as reasoning models do. `keys`: the keys that are taken."""
        self._tell("/_odev/settings", settings)

    def reset(self) -> None:
        """Forget faults, behaviours, settings and requests."""
        self._tell("/_odev/reset", {})

    def requests(self) -> list[dict[str, Any]]:
        """The chat requests since the last reset, the oldest first."""
        requests: list[dict[str, Any]] = self._tell("/_odev/requests", {})["requests"]
        return requests

    def is_up(self) -> bool:
        try:
            with open_url(f"{self.url}/health", timeout=2):
                return True
        except OSError:
            return False

    def _tell(self, path: str, what: dict[str, object]) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(what).encode(), {"content-type": "application/json"}
        )
        with open_url(request, timeout=10) as answer:
            return json.load(answer)


def _cut_on_purpose(record: logging.LogRecord) -> bool:
    """Not for the screen: uvicorn calls a body that is cut on purpose an error."""
    return "without completing response" not in record.getMessage()


class APIServer:
    """LLMock behind the fault layer, in a thread of this process."""

    def __init__(self, key: str) -> None:
        self._server = LLMockServer(
            chaos=ChaosSettings(), responses=MockResponseSettings(response_style="echo")
        )
        self._server.app = cast(FastAPI, FaultLayer(self._server.app, {key}))
        self._key = key
        logging.getLogger("uvicorn.error").addFilter(_cut_on_purpose)

    def start(self) -> ClassroomAPI:
        return ClassroomAPI(self._server.start().url, self._key)

    def stop(self) -> None:
        running = self._server._server
        if running is not None:
            running.force_exit = True  # do not wait for requests that hang on purpose
        self._server.stop()
