"""The environment of a user of a real service, and that service: no test and no demo may connect to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class RealService:
    """Stands for the user's API, Vault, collector and proxy; closes each connection at once and counts it."""

    address: str  # "127.0.0.1:PORT"
    connections: int = 0

    def proxies(self) -> dict[str, str]:
        names = ("http_proxy", "https_proxy")
        return dict.fromkeys((*names, *map(str.upper, names)), f"http://{self.address}")

    def environment(self) -> dict[str, str]:
        return {
            **self.proxies(),
            "ALL_PROXY": f"socks5://{self.address}",
            "OPENAI_API_KEY": "sk-proj-of-the-real-service-0000",
            "OPENAI_BASE_URL": f"http://{self.address}/v1",
            "OPENAI_ORG_ID": "org-real",
            "OPENAI_LOG": "debug",
            "VAULT_ADDR": f"http://{self.address}",
            "VAULT_TOKEN": "s.of-the-real-service",
            "VAULT_NAMESPACE": "real",
            "VAULT_ROLE_ID": "real",
            "VAULT_WRAPPED_SECRET_ID": "s.wrapped-by-the-real-service",
            "VAULT_CACERT": "/nowhere/ca.pem",
            "SAFECHAT_MODEL": "real-model",
            "SAFECHAT_FALLBACKS": "real-fallback",
            "SAFECHAT_TIMEOUT": "0.001",
            "SAFECHAT_DEADLINE": "0.001",
            "SAFECHAT_KEY_MOUNT": "real",
            "OTEL_SDK_DISABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self.address}",
            "OTEL_SERVICE_NAME": "real",
            "OTEL_TRACES_SAMPLER": "always_off",
            "OTEL_PROPAGATORS": "not-installed-here",
            "LLMOCK_ERROR_RATE_429": "1.0",
            "FORCE_COLOR": "1",
            "NO_COLOR": "1",
            "COLUMNS": "40",
            "TERM": "dumb",
            "PYTEST_ADDOPTS": "--color=yes",
        }


@contextmanager
def real_service() -> Iterator[RealService]:
    """A running RealService."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = RealService(f"127.0.0.1:{listener.getsockname()[1]}")

        def count() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                service.connections += 1
                connection.close()

        threading.Thread(target=count, daemon=True).start()
        yield service
