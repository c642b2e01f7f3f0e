"""The README's recipe for a cluster: Ray Data deals blocks of prompts out, `chat.map` answers each block.

Ray is real and local: a worker that is killed in the middle has its blocks answered by another one.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from safechat import ChatClientWrapper, ChatError
from small_model import ANSWER, KEY, SmallModel

ROWS, BLOCK, WORKERS = 10_000, 100, 2


@pytest.fixture
def cluster(served: SmallModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": served.base_url,
        "SAFECHAT_MODEL": "small",
        "RAY_USAGE_STATS_ENABLED": "0",
    }.items():
        monkeypatch.setenv(name, value)
    ray.init(
        num_cpus=WORKERS + 1,
        include_dashboard=False,
        object_store_memory=200_000_000,
        _node_ip_address="127.0.0.1",
    )
    yield
    ray.shutdown()


def kill_when(served: SmallModel, requests: int, workers: Path) -> None:
    """Kill one of the workers that have written their process ids there, after this many requests."""
    give_up = time.monotonic() + 300
    while len(served.requests) < requests and time.monotonic() < give_up:
        time.sleep(0.01)
    os.kill(int(min(path.name for path in workers.iterdir())), signal.SIGKILL)


def test_every_prompt_is_answered_once_when_a_worker_is_killed(
    cluster: None, served: SmallModel, tmp_path: Path
) -> None:
    class Answers:
        def __init__(self) -> None:
            self.chat = ChatClientWrapper.from_env()
            (tmp_path / str(os.getpid())).touch()

        def __call__(self, block: dict[str, Any]) -> dict[str, Any]:
            items = list(self.chat.map(block["prompt"].tolist(), workers=16))
            block["answer"] = ["" if isinstance(item, ChatError) else item.text for item in items]
            block["error"] = [str(item) if isinstance(item, ChatError) else "" for item in items]
            return block

    killer = threading.Thread(target=kill_when, args=(served, ROWS // 4, tmp_path))
    killer.start()
    prompts = [{"prompt": f"Soru {number}"} for number in range(ROWS)]
    answers = ray.data.from_items(prompts).map_batches(Answers, batch_size=BLOCK, concurrency=WORKERS)
    rows = answers.take_all()
    killer.join()

    assert len(list(tmp_path.iterdir())) > WORKERS, "no worker came in the place of the one that was killed"
    assert Counter(row["prompt"] for row in rows) == Counter(row["prompt"] for row in prompts)
    assert {(row["answer"], row["error"]) for row in rows} == {(ANSWER, "")}
    asked = Counter(request["messages"][0]["content"] for request in served.requests)
    assert sum(count - 1 for count in asked.values()) <= 20 * BLOCK
