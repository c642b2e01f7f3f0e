"""The output of a batch as its journal: what is kept, what is taken out, what is never touched."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from processes import environment, run_python
from safechat import ChatReply
from safechat.batch.journal import Journal
from safechat.batch.lines import answer_line, error_line
from safechat.batch.rows import Row, key_of
from safechat.errors import RateLimited


def row(id: str) -> Row:
    return Row(1, id, "Merhaba", "m", {})


def answered(id: str, usd: float | None = None) -> bytes:
    reply = ChatReply("tamam", "m", raw={"object": "chat.completion", "choices": ["İyi"]})
    return answer_line(row(id), row(id).fingerprint(), reply, usd)


def failed(id: str, usd: float | None = None) -> bytes:
    return error_line(row(id), row(id).fingerprint(), RateLimited("429"), 1.0, usd)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def started(path: Path) -> bytes:
    """The file after a journal has started and ended."""
    with Journal(path) as journal:
        journal.start()
    return path.read_bytes()


def test_what_is_written_is_answered_the_next_time(path: Path) -> None:
    with Journal(path) as journal:
        journal.start()
        journal.append(answered("a"))
    with Journal(path) as journal:
        assert journal.answered == {key_of("a"): row("a").fingerprint()}


@pytest.mark.parametrize("length", [1, 20, 100, -1])
def test_a_torn_last_line_is_cut(path: Path, length: int) -> None:
    path.write_bytes(answered("a") + answered("b")[:length])
    assert started(path) == answered("a")


def test_the_lines_of_rows_that_failed_are_taken_out(path: Path) -> None:
    path.write_bytes(answered("a") + failed("b") + answered("c"))
    assert started(path) == answered("a") + answered("c")


def test_the_line_of_a_row_that_failed_at_a_cost_stays_until_there_is_a_new_one(path: Path) -> None:
    path.write_bytes(failed("a", 0.5) + answered("b", 0.25) + failed("c", 2.0))
    with Journal(path) as journal:
        assert (journal.usd, journal.failed_usd) == (2.75, {key_of("a"): 0.5, key_of("c"): 2.0})
        journal.start()
        journal.append(answered("a", 0.75))
    assert path.read_bytes() == answered("b", 0.25) + failed("c", 2.0) + answered("a", 0.75)


@pytest.mark.parametrize("last", [answered("a", 0.75), failed("a", 0.75)])
def test_the_older_line_that_a_killed_run_left_is_taken_out_and_counts_once(path: Path, last: bytes) -> None:
    path.write_bytes(failed("a", 0.5) + last)
    with Journal(path) as journal:
        assert journal.usd == 0.75
        journal.start()
        assert path.read_bytes() == last


def test_no_room_at_the_end_leaves_the_older_line_for_the_next_run(path: Path) -> None:
    path.write_bytes(failed("a", 0.5))
    with Journal(path) as journal:
        journal.start()
        journal.append(answered("a", 0.75))
        patched = mock.patch("safechat.batch.journal.os.fsync", side_effect=OSError(errno.ENOSPC, "full"))
        patched.start()
    patched.stop()
    assert path.read_bytes() == failed("a", 0.5) + answered("a", 0.75)
    assert started(path) == answered("a", 0.75)


def test_sorted_lines_are_the_newest(path: Path) -> None:
    path.write_bytes(failed("b", 0.5))
    with Journal(path) as journal:
        journal.start()
        for line in (answered("b", 0.75), answered("a")):
            journal.append(line)
        journal.sort(key_of(id) for id in "ab")
    assert path.read_bytes() == answered("a") + answered("b", 0.75)


def test_what_a_power_cut_left_in_the_middle_is_taken_out(path: Path) -> None:
    torn = answered("b")
    path.write_bytes(answered("a") + b"\0" * 50 + b"\n" + torn[:30] + b"\0" * 9 + torn[40:] + answered("c"))
    assert started(path) == answered("a") + answered("c")


@pytest.mark.parametrize(
    "text",
    [
        b'{"custom_id": "a", "body": {}}\n',
        b'{"id": "batch_req_1", "custom_id": "a", "response": {}, "error": null}\n',  # of OpenAI itself
        b"my notes\n",
        b"my notes",
        b"[1]\n",
    ],
)
def test_a_file_that_holds_something_else_is_left_as_it_is(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(ValueError, match="line 1: this is no line of a batch's answers"):
        Journal(path).__enter__()
    assert path.read_bytes() == text


def test_until_it_is_started_nothing_changes(path: Path) -> None:
    with Journal(path):
        pass
    assert os.listdir(path.parent) == []
    path.write_bytes(failed("a"))
    with Journal(path):
        pass
    assert path.read_bytes() == failed("a")


def test_it_is_sorted_by_the_order_of_keys(path: Path) -> None:
    with Journal(path) as journal:
        journal.start()
        for line in (answered("c"), failed("a"), answered("b")):
            journal.append(line)
        journal.sort(key_of(id) for id in "abcd")
    assert path.read_bytes() == failed("a") + answered("b") + answered("c")


@pytest.mark.skipif(os.name == "nt", reason="the limit on a file's size is POSIX's")
def test_a_line_that_does_not_fit_on_the_disk_is_cut_off_again(path: Path) -> None:
    room = len(answered("a")) + 10
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n"
        "from pathlib import Path; from safechat.batch.journal import Journal\n"
        f"with Journal(Path({str(path)!r})) as journal:\n"
        "    journal.start()\n"
        f"    journal.append({answered('a')!r})\n"
        f"    try: journal.append({answered('b')!r})\n"
        "    except OSError as error: print(error.errno)\n"
    )
    assert run_python(program) == f"{errno.EFBIG}\n"
    assert path.read_bytes() == answered("a")


def test_no_room_for_the_new_file_leaves_the_old_one(path: Path) -> None:
    before = answered("a") + failed("b")
    path.write_bytes(before)
    with mock.patch("os.fsync", side_effect=OSError(errno.ENOSPC, "full")):
        with Journal(path) as journal, pytest.raises(OSError, match="full"):
            journal.start()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_second_process_is_refused(path: Path) -> None:
    program = (
        "from pathlib import Path; from safechat.batch.journal import Journal\n"
        f"Journal(Path({str(path)!r})).__enter__()"
    )
    with Journal(path):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            env=environment(),
        )
    assert f"ValueError: another process writes {path} now" in done.stderr


def test_the_lock_ends_with_its_process(path: Path) -> None:
    program = (
        "import os; from pathlib import Path; from safechat.batch.journal import Journal\n"
        f"Journal(Path({str(path)!r})).__enter__(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=environment())
    with Journal(path) as journal:
        assert journal.answered == {}


@pytest.mark.skipif(os.name == "nt", reason="links and permissions are others there")
def test_a_link_stays_one_and_a_new_file_has_the_permissions_of_the_old_one(
    path: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    path.write_bytes(failed("a"))
    path.chmod(0o600)
    assert started(link) == b""
    assert link.is_symlink()
    assert path.stat().st_mode & 0o077 == 0


def test_what_is_no_ordinary_file_is_not_read() -> None:
    with pytest.raises(ValueError, match="is no ordinary file"):
        Journal(Path("/dev/zero" if os.name == "posix" else ".")).__enter__()


def test_no_character_of_an_answer_ends_its_line() -> None:
    text = "".join(map(chr, range(0x100))) + "\u2028\u2029"
    reply = ChatReply("x", "m", raw={"object": "chat.completion", "choices": [text]})
    line = answer_line(row("a"), 1, reply, None).decode()
    assert line.splitlines() == [line.rstrip("\n")]
    assert json.loads(line)["response"]["body"] == reply.raw
