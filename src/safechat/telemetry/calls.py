"""What happened to calls, counted, from the events of the log.

    safechat.call.duration            seconds, by model and error.type
    safechat.call.first_piece         seconds until a stream's first piece, by model
    safechat.call.attempts            requests per call, by model
    safechat.attempt.failures         by model and error.type
    safechat.fallbacks                by model and error.type
    safechat.limiter.wait             seconds, by model
    safechat.breaker.transitions      by model and state
    safechat.key.failures             failed reads of a key, by source, path and error.type

Not here: which events there are (log/events.py), each request (requests.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.metrics import Histogram, Meter

from safechat.redact import redacted_name
from safechat.telemetry.conventions import ERROR, MODEL, SECONDS


class CallMetrics:
    """The counters and histograms named above."""

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, description: str) -> Histogram:
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=SECONDS)

        self._calls = seconds("safechat.call.duration", "A whole call: waiting, retries and fallbacks.")
        self._first_pieces = seconds(
            "safechat.call.first_piece", "From the call to the first piece of its stream."
        )
        self._attempts = meter.create_histogram(
            "safechat.call.attempts",
            "{request}",
            "Requests per call.",
            explicit_bucket_boundaries_advisory=(1, 2, 3, 4, 6, 8, 12),
        )
        self._failures = meter.create_counter("safechat.attempt.failures", "{request}", "Failed requests.")
        self._fallbacks = meter.create_counter("safechat.fallbacks", "{fallback}", "Moves to another model.")
        self._waits = seconds("safechat.limiter.wait", "The wait for room under the limits, per request.")
        self._breaks = meter.create_counter(
            "safechat.breaker.transitions", "{transition}", "Circuits that opened or closed."
        )
        self._key_failures = meter.create_counter(
            "safechat.key.failures", "{read}", "Reads of a key that failed."
        )

    def count(self, name: str, fields: Mapping[str, Any]) -> None:
        """One event."""
        model = {MODEL: redacted_name(str(fields.get("model")))}
        match name:
            case "chat.call":
                failed = {} if fields["outcome"] == "ok" else {ERROR: fields["outcome"]}
                self._calls.record(fields["latency_ms"] / 1000, {**model, **failed})
                if "first_piece_ms" in fields:
                    self._first_pieces.record(fields["first_piece_ms"] / 1000, model)
                if "attempts" in fields:
                    self._attempts.record(fields["attempts"], model)
            case "chat.attempt_failed":
                self._failures.add(1, {**model, ERROR: fields["kind"]})
            case "chat.fallback":
                self._fallbacks.add(1, {**model, ERROR: fields["kind"]})
            case "chat.limited":
                self._waits.record(fields["wait_ms"] / 1000, model)
            case "chat.breaker":
                self._breaks.add(1, {**model, "state": fields["state"]})
            case "keys.stale" | "keys.failed":
                place = {name: redacted_name(str(fields.get(name, ""))) for name in ("source", "path")}
                self._key_failures.add(1, {**place, ERROR: fields["kind"]})
