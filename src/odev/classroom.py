"""The classroom: an OpenAI-compatible API and a Vault, both real servers on this machine.

    with Classroom() as room:          # started, and stopped for certain
        OpenAI(base_url=room.api.base_url, api_key=room.api.key)

    classroom = start()                # a notebook's first cell: until the kernel ends

Nothing leaves the machine and no key is needed. A classroom that already runs
(`python -m odev lab` starts one for all notebooks) is attached to: it is named
in the variable ODEV_CLASSROOM.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import secrets
import urllib.request
from dataclasses import asdict
from typing import Any, Self, cast

from fastapi import FastAPI
from llmock.chaos import ChaosSettings
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer

from odev.faults import Fault, FaultLayer
from odev.loopback import open_url, without_proxy
from odev.vault import VaultInfo, VaultServer

VARIABLE = "ODEV_CLASSROOM"


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


class Classroom:
    """Both servers. Started by `with`, or attached to when ODEV_CLASSROOM names running ones."""

    def __init__(self) -> None:
        self.attached = False
        self._servers: list[APIServer | VaultServer] = []

    def __enter__(self) -> Self:
        if not self._attach():
            try:
                self._start()
            except BaseException:
                self.stop()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop what this object started; what it attached to stays."""
        while self._servers:
            self._servers.pop().stop()

    def environment(self) -> dict[str, str]:
        """The variables with which a program finds the classroom, in place of OpenAI and a real Vault."""
        whole = {"url": self.api.url, "key": self.api.key, "vault": self.vault.to_dict()}
        return {
            "OPENAI_BASE_URL": self.api.base_url,
            "OPENAI_API_KEY": self.api.key,
            **without_proxy(os.environ),
            **self.vault.environment(),
            VARIABLE: json.dumps(whole),
        }

    def _attach(self) -> bool:
        try:
            named = json.loads(os.environ.get(VARIABLE, "{}"))
            api = ClassroomAPI(named["url"], named["key"])
            vault = VaultInfo(**named["vault"])
        except (ValueError, LookupError, TypeError):
            return False
        if not (api.is_up() and vault.is_up()):
            return False
        self.api, self.vault, self.attached = api, vault, True
        return True

    def _start(self) -> None:
        key = f"sk-classroom-{secrets.token_hex(12)}"
        api_server, vault_server = APIServer(key), VaultServer()
        self._servers += [api_server, vault_server]
        self.api = api_server.start()
        self.vault = vault_server.start(key)


_current: Classroom | None = None


def start() -> Classroom:
    """The classroom of this process, started at the first call; programs run from here find it too."""
    global _current
    if _current is None:
        _current = Classroom().__enter__()
        atexit.register(_current.stop)
        os.environ.update(_current.environment())
    return _current
