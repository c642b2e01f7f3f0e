"""How a record reads in the log: a line of JSON, or of text for people. Neither contains a secret.

Not here: the file (rotation.py), what a secret is (redact.py of the package).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from safechat.log.events import FIRST_FIELDS, OWN_FIELDS
from safechat.redact import redact, redacted_field


class JsonLines(JsonFormatter):
    """One JSON object per line: time, level, event, and the fields of the record."""

    def __init__(self) -> None:
        super().__init__()
        self._encode = json.JSONEncoder(ensure_ascii=False).encode
        self._second = (0, "")

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        second, rest = divmod(int(record.created * 1000), 1000)
        if second != self._second[0]:
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        log_data |= {
            "time": f"{self._second[1]}.{rest:03}Z",
            "level": record.levelname,
            "event": record.message,
        }
        log_data |= _extras(record)
        log_data |= _without_first_names(message_dict)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return dict(redacted_field(name, value) for name, value in log_data.items())

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        return self._encode(log_data)


class TextLines(logging.Formatter):
    """For people: time, level, event, name=value …"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        pairs = " ".join(f"{name}={value}" for name, value in _extras(record).items() if value is not None)
        return redact(f"{super().format(record)} {pairs}").rstrip().replace("\n", "\\n")


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a record that are not logging's own."""
    return _without_first_names(
        {name: value for name, value in vars(record).items() if name not in OWN_FIELDS}
    )


def _without_first_names(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` under names that no line begins with: `time` becomes `time_`."""
    return {f"{name}_" if name in FIRST_FIELDS else name: value for name, value in fields.items()}
