"""The lines of a batch's output: OpenAI's form, and beside it what only this client knows.

    {"id": "batch_req_6c0e…", "custom_id": "a", "error": null,
     "response": {"status_code": 200, "request_id": "req_1", "body": {…}},
     "safechat": {"request": "9f3c…", "attempts": 1, "latency_ms": 812, "cost_usd": 0.00012}}

`error` is null exactly where there is an answer; else `response` is. `request` is the fingerprint of what was
asked (rows.py), `cost_usd` what the row has cost in all runs, failed requests included. No key that is in
use gets into a line. Source: https://platform.openai.com/docs/guides/batch. Not here: the file (journal.py).
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

from safechat.batch.rows import Row, key_of
from safechat.client.bodies import body_of, completion_of
from safechat.errors import ChatError
from safechat.messages import RESPONSES_ENDPOINT, ChatReply
from safechat.redact import redact, without_remembered

# What a reader may take for the end of a line, beside what JSON escapes anyway.
_ENDS_OF_LINES = (("\x85", "\\u0085"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))
_PREFIX = "batch_req_"
_BEGINNING = b'{"id": "batch_req_'


@dataclass(frozen=True, slots=True)
class Entry:
    """What a line that was written before says. `usd` is 0 where no price was known."""

    id: str
    key: int
    fingerprint: int
    answered: bool
    usd: float


def answer_line(row: Row, fingerprint: int, reply: ChatReply, usd: float | None) -> bytes:
    """The line of a row that was answered. Its body is that of the API that the row is for, whichever gave
    the answer."""
    body = body_of(reply) if row.endpoint == RESPONSES_ENDPOINT else completion_of(reply)
    response = {"status_code": 200, "request_id": reply.request_id, "body": body}
    return _line(row, fingerprint, response, None, reply.attempts, reply.latency, usd)


def error_line(row: Row, fingerprint: int, error: ChatError, seconds: float, usd: float | None) -> bytes:
    """The line of a row that failed."""
    problem = {
        "code": error.code or error.kind,
        "message": redact(str(error)),
        "kind": error.kind,
        "status": error.status,
        "request_id": error.request_id,
    }
    return _line(row, fingerprint, None, problem, error.attempts, seconds, usd)


def read_entry(line: bytes) -> Entry | None:
    """The entry of a line that was written before; None of one that was cut, or damaged by a power cut.

    Raises ValueError for a line that no batch has written.
    """
    damaged = line.replace(b"\0", b"")
    try:
        fields = json.loads(line)
    except ValueError:
        if _BEGINNING.startswith(damaged[: len(_BEGINNING)].rstrip(b"\n")):
            return None
    else:
        with suppress(LookupError, TypeError, ValueError, AttributeError):
            id, own = fields["custom_id"], fields["safechat"]
            # Not by `id`, which may have held a key in use, and holds none here.
            key, fingerprint = int(fields["id"].removeprefix(_PREFIX), 16), int(own["request"], 16)
            return Entry(id, key, fingerprint, fields["error"] is None, own["cost_usd"] or 0.0)
    raise ValueError(f"this is no line of a batch's answers: {line[:60].decode('utf-8', 'replace')!r}")


def _line(
    row: Row,
    fingerprint: int,
    response: object,
    error: object,
    attempts: int,
    seconds: float,
    usd: float | None,
) -> bytes:
    fields = {
        "id": f"{_PREFIX}{key_of(row.id):016x}",
        "custom_id": row.id,
        "error": error,
        "response": response,
        "safechat": {
            "request": f"{fingerprint:016x}",
            "attempts": attempts,
            "latency_ms": round(seconds * 1000),
            "cost_usd": usd,
        },
    }
    text = without_remembered(json.dumps(fields, ensure_ascii=False))
    for character, escaped in _ENDS_OF_LINES:
        text = text.replace(character, escaped)
    return text.encode("utf-8", "backslashreplace") + b"\n"
