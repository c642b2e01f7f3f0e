"""`safechat batch`: killed and resumed, its cost a row, its memory.  python tests/benchmarks/batch.py

Five kills (SIGKILL) over 3,000 rows, at a server that takes 20 ms: the answers that are there at the end, and
the requests beyond one a row. Then, on a stub that answers at once: what a batch costs a row beyond
`chat.map` in CPU time, the time that a resume of 100,000 answered rows takes, and the memory that they add at
their highest to that of a run of 1,000 rows.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from memory import highest
from rich.console import Console
from rich.table import Table

from safechat import ChatClientWrapper, RateLimits
from safechat.batch import run

KILLS, KILLED_ROWS, WORKERS = 5, 3_000, 32
ROWS = 100_000
SERVER = Path(__file__).parent / "quota_server.py"
ANSWER = {
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "x" * 500}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 60, "completion_tokens": 100, "total_tokens": 160},
}


async def create(**_: object) -> object:
    await asyncio.sleep(0)
    return ANSWER


STUB = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))


def write_rows(path: Path, count: int) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"custom_id": f"row-{number}", "prompt": f"Soru {number}: " + "x" * 200}) + "\n"
            for number in range(count)
        )


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def killed_again_and_again(folder: Path) -> tuple[int, int, int]:
    """Kills, distinct answers at the end, requests beyond one a row."""
    source, output = folder / "killed.jsonl", folder / "answers.jsonl"
    write_rows(source, KILLED_ROWS)
    server = subprocess.Popen(
        [sys.executable, str(SERVER), "1e9", "1e9"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    assert server.stdout is not None
    address = f"http://127.0.0.1:{int(server.stdout.readline())}"
    program = "from safechat.cli.main import main; main()"
    command = [sys.executable, "-c", program, "batch", str(source), str(output), "--workers", f"{WORKERS}"]
    environment = {**os.environ, "OPENAI_API_KEY": "sk-of-a-benchmark", "OPENAI_BASE_URL": f"{address}/v1"}
    try:
        for kill in range(1, KILLS + 1):
            process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
            while lines(output) < kill * KILLED_ROWS // (KILLS + 1):
                time.sleep(0.005)
            process.kill()
            process.wait()
        subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=True)
        with urllib.request.urlopen(f"{address}/stats") as stats:
            asked = json.load(stats)["answered"]
    finally:
        server.kill()
        server.wait()
    with open(output, encoding="utf-8") as file:
        ids = [json.loads(line)["custom_id"] for line in file]
    assert len(ids) == len(set(ids))
    return KILLS, len(set(ids)), asked - KILLED_ROWS


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU; on a busy machine only these compare."""
    began = time.process_time()
    work()
    return time.process_time() - began


def asked_by_map(chat: ChatClientWrapper, source: Path) -> None:
    with open(source, encoding="utf-8") as file:
        for _ in chat.map((json.loads(line)["prompt"] for line in file), workers=WORKERS):
            pass


def main() -> None:
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kills, answers, twice = killed_again_and_again(folder)
        table = Table("kills", "rows", "distinct answers", "asked twice", "allowed")
        table.add_row(f"{kills}", f"{KILLED_ROWS:,}", f"{answers:,}", f"{twice}", f"{kills * WORKERS}")
        console.print(table)

        source, output, few = folder / "in.jsonl", folder / "out.jsonl", folder / "few.jsonl"
        write_rows(source, ROWS)
        write_rows(few, ROWS // 100)
        with ChatClientWrapper(STUB, limits=RateLimits(concurrency=WORKERS)) as chat:

            def whole() -> None:
                run(chat, source, output, workers=WORKERS)

            run(chat, few, folder / "few.answers", workers=WORKERS)
            before = highest()
            asked = cpu(whole)
            after = highest()
            began = time.perf_counter()
            resumed = cpu(whole)
            resume = time.perf_counter() - began
            after_resume = highest()
            by_map = cpu(lambda: asked_by_map(chat, source))
        table = Table(
            "rows", "chat.map", "batch", "more, a row", "resume", "CPU of it", "memory", "with a resume"
        )
        table.add_row(
            f"{ROWS:,}",
            f"{by_map:.1f} s",
            f"{asked:.1f} s",
            f"{(asked - by_map) / ROWS * 1e6:.0f} µs",
            f"{resume:.1f} s",
            f"{resumed:.1f} s",
            f"+{after - before:.0f} MB",
            f"+{after_resume - before:.0f} MB",
        )
        console.print(table)


if __name__ == "__main__":
    main()
