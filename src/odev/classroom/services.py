"""The variables by which a user's other programs find a real API, a Vault, a collector of spans or a proxy.

Not here: the environment of a program that the course runs (course/environment.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_OF_A_SERVICE = ("OPENAI_", "AZURE_", "VAULT_", "BAO_", "SAFECHAT_", "OTEL_")


def without_services(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the addresses, keys and settings of a real API, Vault or collector of spans.

    Without SOCKS proxies, too: by these the SDK fails, also where NO_PROXY says that they are not for this
    machine, unless a package for them is installed.
    """
    return {
        name: value
        for name, value in environment.items()
        if not (name.startswith(_OF_A_SERVICE) or _is_socks_proxy(name, value))
    }


def _is_socks_proxy(name: str, value: str) -> bool:
    return name.lower().endswith("_proxy") and value.lower().startswith("socks")


def leave_services() -> dict[str, str]:
    """Remove them from the environment of this process; what was removed."""
    return {name: os.environ.pop(name) for name in os.environ.keys() - without_services(os.environ).keys()}


@contextmanager
def hidden_services() -> Iterator[None]:
    """A block in which this process has none of them. Some libraries read theirs when they are imported, and
    FastAPI fails by a propagator of OTEL_PROPAGATORS that is not installed here."""
    hidden = leave_services()
    try:
        yield
    finally:
        os.environ.update(hidden)
