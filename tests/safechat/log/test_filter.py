"""RedactingFilter: what other handlers of a program print holds no secret."""

from __future__ import annotations

import io
import logging

import pytest

from clients import KEY
from safechat import ChatRequest
from safechat.log import RedactingFilter


@pytest.fixture
def printed() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(printed: io.StringIO) -> logging.Logger:
    logger = logging.Logger("other")
    handler = logging.StreamHandler(printed)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    handler.addFilter(RedactingFilter())
    logger.addHandler(handler)
    return logger


def test_message_arguments_and_extras_are_redacted(logger: logging.Logger, printed: io.StringIO) -> None:
    logger.handlers[0].setFormatter(logging.Formatter("%(message)s %(headers)s %(password)s"))
    logger.info("with %s", {"key": KEY}, extra={"headers": {"Authorization": KEY}, "password": "kedi"})
    assert printed.getvalue() == ("with {'key': '[redacted]'} {'Authorization': '[redacted]'} [redacted]\n")


def test_an_exception_and_a_stack_are_redacted(logger: logging.Logger, printed: io.StringIO) -> None:
    try:
        raise ValueError(f"no {KEY}")
    except ValueError:
        logger.exception("failed", stack_info=True)
    assert KEY not in printed.getvalue()
    assert "ValueError: no [redacted]" in printed.getvalue()
    assert "Stack (most recent call last)" in printed.getvalue()


def test_a_record_that_cannot_be_redacted_is_emptied(logger: logging.Logger, printed: io.StringIO) -> None:
    circle: list[object] = [KEY]
    circle.append(circle)
    logger.warning("with", extra={"circle": circle})
    assert printed.getvalue() == "WARNING other a record without text: RecursionError\n"


def test_arguments_that_do_not_fit_are_not_shown(logger: logging.Logger, printed: io.StringIO) -> None:
    logger.warning("%d", KEY)
    assert KEY not in printed.getvalue()


def test_the_repr_of_a_request_shows_neither_messages_nor_params() -> None:
    request = ChatRequest(({"role": "user", "content": "gizli"},), "m", {"user": "ali"})
    assert "gizli" not in repr(request)
    assert "ali" not in repr(request)
    assert "model='m'" in repr(request)
