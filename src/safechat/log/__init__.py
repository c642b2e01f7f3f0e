"""Logging: events, the file they go to, and the layer that writes one record per call."""

from safechat.log.events import log_context
from safechat.log.file import configure_logging
from safechat.log.filter import RedactingFilter

__all__ = ["RedactingFilter", "configure_logging", "log_context"]
