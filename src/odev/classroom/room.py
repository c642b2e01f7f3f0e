"""The classroom: an OpenAI-compatible API and a Vault, both real servers on this machine.

    with Classroom() as room:          # runs inside this block
        OpenAI(base_url=room.api.base_url, api_key=room.api.key)

    room = start()                     # in a notebook's first cell: runs until the kernel ends

    with room.broken("fail", status=503):   # a fault that ends with its block
        ...

Nothing leaves the machine and no key is needed. If the variable ODEV_CLASSROOM names
a classroom that runs already (`python -m odev lab` starts one for all notebooks), that
one is used. Not here: the two servers (api.py, vault.py).
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

from odev.classroom.api import APIServer, ClassroomAPI
from odev.classroom.faults import KINDS, Fault
from odev.classroom.loopback import without_proxy
from odev.classroom.services import leave_services
from odev.classroom.vault import VaultInfo, VaultServer

VARIABLE = "ODEV_CLASSROOM"


class Classroom:
    """Both servers. `with` starts them, or attaches to those that ODEV_CLASSROOM names.

    With `attach=False` it always starts its own.
    """

    def __init__(self, *, attach: bool = True) -> None:
        self.attached = False
        self._may_attach = attach
        self._servers: list[APIServer | VaultServer] = []

    def __enter__(self) -> Self:
        if not (self._may_attach and self._attach()):
            try:
                self._start()
            except BaseException:
                self.stop()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the servers that this object started; those that it attached to go on."""
        while self._servers:
            self._servers.pop().stop()

    @contextmanager
    def broken(
        self, fault: str | None = None, *, times: int | None = None, **details: object
    ) -> Iterator[ClassroomAPI]:
        """Break the API in one way; it works again at the end of the block, however the block ends.

        `fault` is a kind of `Fault` (`answer`, `cut`, `drip`, `hang`) or one of LLMock's behaviours (`fail`,
        `delay`, `reply`, `stream_fault`, …), with its details; None breaks nothing. It meets `times`
        requests, by default all. The block begins with no other fault and no earlier request, so that
        `room.api.requests()` are those of the block. Settings stay. A block inside another one replaces its
        fault. ValueError for a fault that does not exist.
        """
        self.api.mend()
        try:
            if fault in KINDS:
                self.api.fault(Fault(fault, times, **cast(dict[str, Any], details)))
            elif fault is not None:
                self.api.behave(fault, times=times, **details)
            yield self.api
        finally:
            self.api.mend(keep_requests=True)

    def reset(self) -> None:
        """As new: no fault, no request, the settings and the key in Vault as at the beginning."""
        self.api.reset()
        self.vault.put_key(self.api.key)

    def is_up(self) -> bool:
        return self.api.is_up() and self.vault.is_up()

    def environment(self) -> dict[str, str]:
        """The variables that make a program use the classroom in place of OpenAI and a real Vault."""
        addresses = {"url": self.api.url, "key": self.api.key, "vault": self.vault.to_dict()}
        return {
            "OPENAI_BASE_URL": self.api.base_url,
            "OPENAI_API_KEY": self.api.key,
            **without_proxy(os.environ),
            **self.vault.environment(),
            VARIABLE: json.dumps(addresses),
        }

    def _attach(self) -> bool:
        try:
            addresses = json.loads(os.environ.get(VARIABLE, "{}"))
            api = ClassroomAPI(addresses["url"], addresses["key"])
            vault = VaultInfo(**addresses["vault"])
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
    """The classroom of this process, as new; the programs that it starts use it too.

    Each call resets it, so that nothing is left of an earlier cell, or of another notebook that uses the
    same one. If its servers are gone, others are started. What the environment says of other services is
    removed from it, unless `lab` has done so before.
    """
    global _current
    if _current is not None and not _current.is_up():
        atexit.unregister(_current.stop)
        _current.stop()
        _current = None
    if _current is None:
        _current = Classroom().__enter__()
        atexit.register(_current.stop)
    _current.reset()
    if not _current.attached:
        leave_services()
    os.environ.update(_current.environment())
    return _current
