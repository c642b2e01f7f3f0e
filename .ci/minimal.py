"""`python minimal.py [EXTRA]`: what a program gets that has installed the wheel with that one extra, or none.

A call to a server on this machine, and for what needs another extra one line that names it.
"""

import json
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from importlib.util import find_spec

from openai import OpenAI

from safechat import AppRole, ChatClientWrapper, DiskCache, KeyUnavailable, RedisLimits, VaultKeys
from safechat.cost import cost_usd

MODULES = {
    "vault": "hvac",
    "otel": "opentelemetry",
    "cost": "genai_prices",
    "content": "stdnum",
    "fast": "aiohttp",
    "cli": "typer",
    "cache": "diskcache",
    "redis": "redis",
}
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5-mini",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Merhaba!"}}
    ],
}


class Api(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def check_call(extras: set[str]) -> None:
    server = HTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = OpenAI(api_key="sk-of-a-test", base_url=f"http://127.0.0.1:{server.server_port}/v1")
    with ChatClientWrapper(client) as chat:
        assert chat.generate("Merhaba").text == "Merhaba!"
    priced = cost_usd(
        "gpt-5-mini",
        "https://api.openai.com/v1",
        prompt_tokens=1000,
        completion_tokens=1000,
        cached_tokens=0,
    )
    assert (priced is not None) == ("cost" in extras), priced


def check_vault(extras: set[str]) -> None:
    keys = VaultKeys("https://127.0.0.1:1", path="x", auth=AppRole("role", "secret"))
    with ChatClientWrapper(OpenAI(api_key="in Vault"), keys=keys) as chat:
        try:
            chat.generate("Merhaba")
        except KeyUnavailable as error:
            lines = str(error).splitlines()
    assert len(lines) == 1, lines
    assert ("safechat[vault]" in lines[0]) == ("vault" not in extras), lines


def check_cache(extras: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            DiskCache(folder).close()
            lines = []
        except ImportError as error:
            lines = str(error).splitlines()
    assert ["safechat[cache]" in line for line in lines] == [True] * ("cache" not in extras), lines


def check_redis(extras: set[str]) -> None:
    try:
        RedisLimits("redis://127.0.0.1:1", name="prod")
        problem = ""
    except ModuleNotFoundError as error:
        problem = str(error)
    needs = "" if "redis" in extras else "RedisLimits needs its extra: pip install 'safechat[redis]'"
    assert problem == needs, problem


def check_command(extras: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "safechat.cli.main", "--help"], capture_output=True, text=True, check=False
    )
    if "cli" in extras:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1, done
        assert done.stderr.splitlines() == [
            "the safechat command needs its extra: pip install 'safechat[cli]'"
        ]


def check_adapters() -> None:
    for extra in ("langchain", "llamaindex"):
        try:
            import_module(f"safechat.adapters.{extra}")
            lines = []
        except ModuleNotFoundError as error:
            lines = str(error).splitlines()
        assert [f"safechat[{extra}]" in line for line in lines] == [True], lines


if __name__ == "__main__":
    extras = set(sys.argv[1:])
    installed = {extra for extra, module in MODULES.items() if find_spec(module) is not None}
    assert installed == extras, f"installed: {installed}, wanted: {extras}"
    check_call(extras)
    check_vault(extras)
    check_cache(extras)
    check_redis(extras)
    check_command(extras)
    check_adapters()
