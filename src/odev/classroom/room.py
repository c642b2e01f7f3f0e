"""The classroom: an OpenAI-compatible API and a Vault, both real servers on this machine.

    with Classroom() as room:          # runs inside this block
        OpenAI(base_url=room.api.base_url, api_key=room.api.key)

    classroom = start()                # in a notebook's first cell: runs until the kernel ends

Nothing leaves the machine and no key is needed. If the variable ODEV_CLASSROOM names
a classroom that runs already (`python -m odev lab` starts one for all notebooks), that
one is used. Not here: the two servers (api.py, vault.py).
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
from collections.abc import Mapping
from typing import Self

from odev.classroom.api import APIServer, ClassroomAPI
from odev.classroom.loopback import without_proxy
from odev.classroom.vault import VaultInfo, VaultServer

VARIABLE = "ODEV_CLASSROOM"
_OF_A_SERVICE = ("OPENAI_", "AZURE_", "VAULT_", "BAO_", "SAFECHAT_", "OTEL_")


class Classroom:
    """Both servers. `with` starts them, or attaches to those that ODEV_CLASSROOM names."""

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
        """Stop the servers that this object started; those that it attached to go on."""
        while self._servers:
            self._servers.pop().stop()

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
    """The classroom of this process, started at the first call; the programs that it starts use it too.

    What the environment says of other services is removed from it, unless `lab` has done so before.
    """
    global _current
    if _current is None:
        _current = Classroom().__enter__()
        atexit.register(_current.stop)
        if not _current.attached:
            for name in os.environ.keys() - without_services(os.environ).keys():
                del os.environ[name]
        os.environ.update(_current.environment())
    return _current


def without_services(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the addresses, keys and settings of a real API, Vault or collector of spans."""
    return {name: value for name, value in environment.items() if not name.startswith(_OF_A_SERVICE)}
