"""`safechat batch`, as a person runs it, kills it and starts it again."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from clients import KEY
from command import safechat
from echo_api import EchoApi, echo_api
from processes import environment
from safechat.batch import BatchStatus
from safechat.cli.batch import Meter, read_shard, shown
from safechat.cli.terminal import visible

KILLS = 3
ROWS, WORKERS = 1500, 16


@pytest.fixture
def api() -> Iterator[EchoApi]:
    with echo_api(
        bad=(400, "bad"), auth=(401, "invalid_api_key"), quota=(429, "insufficient_quota")
    ) as served:
        yield served


def settings(api: EchoApi) -> dict[str, str]:
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.base_url, "SAFECHAT_ATTEMPTS": "1"}


def write(path: Path, *prompts: str) -> Path:
    path.write_text(
        "".join(f"{json.dumps({'custom_id': text, 'prompt': text})}\n" for text in prompts), "utf-8"
    )
    return path


def started(api: EchoApi, *arguments: str | Path, **streams: int) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    program = "from safechat.cli.main import main; main()"
    command = [sys.executable, "-c", program, "batch", *map(str, arguments)]
    return subprocess.Popen(
        command,
        env={**environment(), **settings(api)},
        stdin=streams.get("stdin"),
        stdout=streams.get("stdout"),
        stderr=streams.get("stderr"),
    )


def done(api: EchoApi, *arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    process = started(api, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(stdin, timeout=100)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def batch(api: EchoApi, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in this process, for what needs no other."""
    return safechat("batch", *map(str, arguments), environment=settings(api))


def ids(output: Path) -> list[str]:
    return [json.loads(line)["custom_id"] for line in output.read_text("utf-8").splitlines()]


def wait_for_answers(output: Path, count: int) -> None:
    give_up = time.monotonic() + 60
    while not output.exists() or output.read_bytes().count(b"\n") < count:
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_killed_again_and_again_it_loses_no_answer_and_asks_few_twice(api: EchoApi, tmp_path: Path) -> None:
    api.delay = 0.02
    prompts = [f"{number}" for number in range(ROWS)]
    arguments = write(tmp_path / "in.jsonl", *prompts), tmp_path / "out.jsonl", "--workers", f"{WORKERS}"
    for kill in range(1, KILLS + 1):
        process = started(api, *arguments, stderr=subprocess.DEVNULL)
        wait_for_answers(arguments[1], kill * ROWS // (KILLS + 1))
        process.kill()
        process.wait()
    last = done(api, *arguments)
    assert last.returncode == 0, last.stderr
    assert sorted(ids(arguments[1])) == sorted(prompts)
    assert sum(count - 1 for count in api.asked.values()) <= KILLS * WORKERS
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.jsonl"]


def test_two_runs_on_one_output_are_refused(api: EchoApi, tmp_path: Path) -> None:
    api.delay = 0.2
    source, output = write(tmp_path / "in.jsonl", *map(str, range(500))), tmp_path / "out.jsonl"
    first = started(api, source, output, stderr=subprocess.DEVNULL)
    wait_for_answers(output, 1)
    second = batch(api, source, output)
    first.kill()
    first.wait()
    assert second.returncode == 2
    assert second.stderr == f"safechat: another process writes {output} now\n"


@pytest.mark.skipif(os.name == "nt", reason="signals cannot be sent to one process there")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_or_sigterm_ends_it_and_it_says_how_to_go_on(
    api: EchoApi, tmp_path: Path, sent: signal.Signals
) -> None:
    api.delay = 0.05
    source, output = write(tmp_path / "in.jsonl", *map(str, range(2000))), tmp_path / "out.jsonl"
    process = started(api, source, output, stderr=subprocess.PIPE)
    wait_for_answers(output, 30)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    answered = len(ids(output))
    assert process.returncode == 130
    assert f"({answered:,} of 2,000 rows are answered; the same command goes on from there)" in err.decode()
    assert "Traceback" not in err.decode()


def test_failed_rows_are_counted_and_asked_again(api: EchoApi, tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.jsonl", "a", "bad", "b"), tmp_path / "out.jsonl"
    first = batch(api, source, output)
    api.failures = {}
    second = batch(api, source, output)
    assert (first.returncode, second.returncode) == (3, 0)
    assert "1 of 3 rows failed (request_rejected ×1); their lines say why" in first.stderr
    assert api.asked == Counter(a=1, bad=2, b=1)
    assert sorted(ids(output)) == ["a", "b", "bad"]


@pytest.mark.parametrize(
    ("prompt", "kind"), [("auth", "authentication_failed"), ("quota", "quota_exhausted")]
)
def test_a_refused_key_and_an_empty_account_stop_it(
    api: EchoApi, tmp_path: Path, prompt: str, kind: str
) -> None:
    source, output = write(tmp_path / "in.jsonl", "a", prompt, *map(str, range(50))), tmp_path / "out.jsonl"
    stopped = batch(api, source, output, "--workers", "1")
    assert stopped.returncode == 1
    assert f"safechat: {kind}: " in stopped.stderr
    assert "(1 of 52 rows are answered; the same command goes on from there)" in stopped.stderr
    assert ids(output) == ["a"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["in.jsonl", "out.jsonl", "--shard", "9/8"], "there is no shard 9 of 8"),
        (["in.jsonl", "out.jsonl", "--shard", "3"], "--shard must be as 3/8, not '3'"),
        (["nothing.jsonl", "out.jsonl"], "No such file or directory: 'nothing.jsonl'"),
        (["in.jsonl", "nowhere/out.jsonl"], "out.jsonl.lock'"),
        (["twice.jsonl", "out.jsonl"], "line 2: the custom_id 'a' is that of line 1, too"),
    ],
)
def test_what_is_wrong_is_one_line(api: EchoApi, tmp_path: Path, arguments: list[str], words: str) -> None:
    write(tmp_path / "in.jsonl", "a")
    write(tmp_path / "twice.jsonl", "a", "a")
    refused = batch(api, *arguments)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not api.asked


@pytest.mark.skipif(os.name == "nt", reason="the limit on a file's size is POSIX's")
def test_a_full_disk_stops_it_with_nothing_lost(api: EchoApi, tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.jsonl", *map(str, range(200))), tmp_path / "out.jsonl"
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from safechat.cli.main import main; main()"
    )
    full = subprocess.run(
        [sys.executable, "-c", program, "batch", str(source), str(output)],
        env={**environment(), **settings(api)},
        capture_output=True, check=False,
    )  # fmt: skip
    written = ids(output)
    assert full.returncode == 1, full.stderr
    assert b"the answers cannot be written: [Errno 27]" in full.stderr
    assert f"({len(written)} of 200 rows are answered; the same command goes on".encode() in full.stderr
    assert len(written) > 10
    assert done(api, source, output).returncode == 0
    assert sorted(ids(output)) == sorted(map(str, range(200)))
    assert all(api.asked[id] == 1 for id in written)


@pytest.mark.parametrize("ordered", [[], ["--ordered"]])
def test_a_dash_is_stdin_and_stdout(api: EchoApi, tmp_path: Path, ordered: list[str]) -> None:
    rows = b"".join(b'{"prompt": "%d"}\n' % number for number in range(50))
    piped = done(api, "-", "-", *ordered, stdin=rows)
    written = [json.loads(line)["custom_id"] for line in piped.stdout.splitlines()]
    expected = [f"line-{number}" for number in range(1, 51)]
    assert piped.returncode == 0, piped.stderr
    assert written == expected if ordered else sorted(written) == sorted(expected)


def test_an_input_may_be_a_named_pipe(api: EchoApi, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("there are no named pipes in folders")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b'{"prompt": "a"}',))
    writer.start()
    assert batch(api, pipe, tmp_path / "out.jsonl").returncode == 0
    writer.join()
    assert ids(tmp_path / "out.jsonl") == ["line-1"]


def test_a_dry_run_says_what_to_expect_and_asks_nothing(api: EchoApi, tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.jsonl", "a" * 200, "b" * 200), tmp_path / "out.jsonl"
    said = batch(api, source, output, "--dry-run").stdout
    assert "to ask         2" in said
    assert "prompt tokens  about 214" in said
    assert "rows without max_completion_tokens" in said
    assert not api.asked
    assert not output.exists()


def test_it_says_why_it_stopped_at_its_dollars(
    api: EchoApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = SimpleNamespace(total_price=5)  # of a request, whatever its tokens are
    prices = SimpleNamespace(Usage=SimpleNamespace, calc_price=lambda *_, **__: price)
    monkeypatch.setattr("safechat.cost._price_list", lambda: prices)
    source, output = write(tmp_path / "in.jsonl", *map(str, range(20))), tmp_path / "out.jsonl"
    stopped = batch(api, source, output, "--max-usd", "19")
    assert stopped.returncode == 1
    assert (
        "stopped at --max-usd: $15.0000 are spent, and the next row could cost more than is left of $19.00 "
        "(17 rows are left)"
    ) in stopped.stderr


def test_without_a_terminal_the_last_line_of_progress_is_that_of_the_end(
    api: EchoApi, tmp_path: Path
) -> None:
    source, output = write(tmp_path / "in.jsonl", *map(str, range(20))), tmp_path / "out.jsonl"
    said = batch(api, source, output).stderr
    assert said.startswith("safechat: 20 of 20 · ")
    assert "280 tokens" in said
    assert said.count("\n") == 1


def test_the_line_of_progress_has_rate_tokens_dollars_and_the_time_that_is_left() -> None:
    status = BatchStatus(rows=1100, before=100, to_ask=1000, answered=90, failed=10, tokens=12_345, usd=0.5)
    status.kinds.update(server_error=9, timed_out=1)
    line = Meter(status, started=100.0).text(now=120.0)
    assert line == (
        "200 of 1,100 · 10 failed (server_error, …) · 5.0/s · 12,345 tokens · $0.5000 · 0:03:00 left"
    )
    assert visible(line) == line


@pytest.mark.parametrize("text", ["", "3/", "/8", "a/b", "3/8/9", "-1/8", "0/8"])
def test_a_shard_is_a_number_of_a_number(text: str) -> None:
    with pytest.raises(ValueError, match="shard"):
        read_shard(text)


def test_on_a_terminal_the_progress_is_one_line_that_changes() -> None:
    screen = io.StringIO()
    status = BatchStatus(rows=10, to_ask=10)
    with shown(status, Console(file=screen, force_terminal=True, width=100)) as progress:
        status.answered = 10
        progress(status)
    assert "10 of 10 · " in screen.getvalue()
    assert screen.getvalue().count("\n") <= 1
