"""What `safechat logs` needs for a long log.  python tests/benchmarks/million_lines.py

A log of a million lines and one of a hundredth of it, of calls of every kind with
token counts that hardly ever repeat: the reader's seconds and its peak memory.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

READ = """
import sys
from memory import highest
from safechat.cli.main import main
sys.argv = ["safechat", "logs", sys.argv[1], "--json"]
try:
    main()
finally:
    print(highest(), file=sys.stderr)
"""


def write(path: Path, lines: int) -> None:
    chance = random.Random(7)
    models = ("gpt-5-mini", "gpt-4o-mini", "gpt-4.1")
    with path.open("w", encoding="utf-8") as file:
        for number in range(lines):
            model = chance.choice(models)
            common = {"time": "2026-01-01T00:00:00.000Z", "level": "INFO", "call_id": f"{number:016x}"}
            if number % 10 == 9:
                event = {
                    "event": "chat.attempt_failed",
                    "model": model,
                    "kind": "rate_limited",
                    "status": 429,
                }
            else:
                event = {
                    "event": "chat.call", "outcome": "ok", "model": model, "answered_by": model,
                    "host": "api.openai.com", "latency_ms": round(chance.lognormvariate(6, 1), 1),
                    "attempts": 1, "prompt_tokens": chance.randrange(5000), "cached_tokens": 0,
                    "completion_tokens": chance.randrange(2000), "reasoning_tokens": 0,
                }  # fmt: skip
            file.write(json.dumps({**common, **event}) + "\n")


def main() -> None:
    table = Table("lines", "MB", "seconds", "peak MB")
    with tempfile.TemporaryDirectory() as folder:
        for lines in (10_000, 1_000_000):
            path = Path(folder) / f"{lines}.log"
            write(path, lines)
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", READ, str(path)],
                cwd=Path(__file__).parent, capture_output=True, text=True, encoding="utf-8",
            )  # fmt: skip
            seconds = time.perf_counter() - started
            assert json.loads(done.stdout)["lines"] == lines, done.stderr
            size = path.stat().st_size / 1e6
            table.add_row(f"{lines:,}", f"{size:.0f}", f"{seconds:.1f}", f"{float(done.stderr):.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
