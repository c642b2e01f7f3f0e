"""RedactingFilter: other handlers of a program get records without secrets, too.

Not here: the log that configure_logging writes, which needs no filter (file.py).
"""

from __future__ import annotations

import logging

from safechat.log.events import OWN_FIELDS
from safechat.log.queue import snapshot
from safechat.redact import redact, redacted_field


class RedactingFilter(logging.Filter):
    """Takes the secrets out of every record that goes through a handler: message, extras, exception, stack.

        handler = logging.StreamHandler()
        handler.addFilter(RedactingFilter())
        logging.getLogger().addHandler(handler)

    The record itself is changed, so the handlers after this one get it without secrets as well. An exception
    stays as its text alone: the object may hold a key.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """True: no record is kept back. One that cannot be redacted is emptied."""
        try:
            fields = vars(snapshot(record)).copy()
            for name in [name for name in fields if name not in OWN_FIELDS]:
                value = fields.pop(name)
                name, fields[name] = redacted_field(name, value)
            for name in ("msg", "exc_text", "stack_info"):
                if fields[name] is not None:
                    fields[name] = redact(str(fields[name]))
        except Exception as error:
            fields = vars(logging.makeLogRecord({"msg": f"a record without text: {type(error).__name__}"}))
            fields |= {name: getattr(record, name) for name in ("name", "levelno", "levelname", "created")}
        vars(record).clear()
        vars(record).update(fields)
        return True
