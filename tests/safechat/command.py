"""The `safechat` command in this process: what it prints, and its exit status."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from subprocess import CompletedProcess
from unittest import mock

from safechat.cli.main import main


def safechat(*arguments: str, environment: Mapping[str, str] | None = None) -> CompletedProcess[str]:
    """As `subprocess.run` gives it."""
    stdin, stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(3))
    streams = mock.patch.multiple(
        sys, argv=["safechat", *arguments], stdin=stdin, stdout=stdout, stderr=stderr
    )
    with streams, mock.patch.dict(os.environ, environment or {}):
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        stdout.flush()
        stderr.flush()
    printed, errors = (stream.buffer.getvalue().decode() for stream in (stdout, stderr))
    return CompletedProcess(arguments, status, printed, errors)
