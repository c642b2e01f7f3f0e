"""A forward proxy on loopback, and a server that speaks TLS."""

from __future__ import annotations

import base64
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# For localhost, 127.0.0.1 and ::1, until 2126; made for these tests alone.
CERTIFICATE = Path(__file__).with_name("localhost.pem")
PASSWORD = "p@ss word:ğ"


@dataclass
class Proxy:
    """Sends everything to `target`, whatever host was asked for, for those who know the password."""

    target: int
    password: str
    port: int = 0
    asked: list[str] = field(default_factory=list)
    refused: int = 0

    def serve(self, connection: socket.socket) -> None:
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (piece := connection.recv(65536)):
                    return
                head += piece
            line, _, rest = head.partition(b"\r\n")
            method, address, _ = line.decode().split(" ")
            expected = base64.b64encode(f"user:{self.password}".encode())
            if self.password and expected not in head:
                self.refused += 1
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                return
            self.asked.append(f"{method} {address}")
            with socket.create_connection(("127.0.0.1", self.target)) as upstream:
                if method == "CONNECT":
                    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    path = "/" + address.split("/", 3)[3]
                    upstream.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + rest)
                _pump(connection, upstream)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:  # select() takes no descriptor above 1,023
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while ready := selector.select(60):
            for source, _ in ready:
                if not (piece := source.fileobj.recv(65536)):  # type: ignore[union-attr]
                    return
                source.data.sendall(piece)


@contextmanager
def proxy(target: int, password: str = PASSWORD) -> Iterator[Proxy]:
    """A running Proxy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Proxy(target, password, listener.getsockname()[1])
        _serve(listener, running.serve)
        yield running


@contextmanager
def tls_in_front_of(port: int) -> Iterator[int]:
    """The port of a server that speaks TLS and hands everything on to `port`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as plain:
            with socket.create_connection(("127.0.0.1", port)) as upstream:
                _pump(plain, upstream)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        _serve(listener, serve)
        yield listener.getsockname()[1]


def _serve(listener: socket.socket, serve: object) -> None:
    def guarded(connection: socket.socket) -> None:
        try:
            serve(connection)  # type: ignore[operator]
        except OSError:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=guarded, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
