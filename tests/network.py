"""Keeps a test on this machine's loopback."""

from __future__ import annotations

import socket

import pytest

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NetworkUsed(AssertionError):
    """A test reached for an address that is not this machine's loopback."""


def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a call that nobody mocked fails by name, and reaches no network."""
    look_up = socket.getaddrinfo
    connect = socket.socket.connect

    def guarded_look_up(host: object, *args: object, **kwargs: object) -> object:
        if host is not None and host not in _LOOPBACK:
            raise NetworkUsed(f"a test looked up {host!r}: mock the call, or use a server on loopback")
        return look_up(host, *args, **kwargs)  # type: ignore[arg-type]

    def guarded_connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in _LOOPBACK:
            raise NetworkUsed(f"a test connected to {address!r}: mock the call, or use a server on loopback")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
