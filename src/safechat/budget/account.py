"""Account: who pays for requests, each of which is reserved before it is sent and settled after it.

A layer has its own account (layer.py: Budgeted), or takes the one of the code that calls (Charged). Not here:
what an account may spend (budget.py, batch/spending.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from safechat.errors import ChatError
from safechat.log.call_record import call_record
from safechat.messages import ChatReply, ChatRequest, Handler

R = TypeVar("R")


class Account(Protocol[R]):
    """What pays. `R` is what it reserves with."""

    async def reserve(self, request: ChatRequest, base_url: str | None) -> R:
        """Reserve the most that the request to that address can cost. Raises BudgetExceeded, PriceUnknown."""

    def settle(self, reserved: R, request: ChatRequest, outcome: ChatReply | ChatError | None) -> None:
        """The request has this outcome; None where it was cut off, and may be billed all the same."""

    def give_back(self, reserved: R) -> None:
        """The request was not sent."""


async def charge(account: Account[R], next: Handler, request: ChatRequest, base_url: str | None) -> ChatReply:
    """The next handler's reply, paid by `account`. A request that only lists costs nothing.

    Raises BudgetExceeded, PriceUnknown, and the next handler's errors.
    """
    if request.endpoint.startswith("GET "):
        return await next(request)
    with call_record() as record:
        reserved = await account.reserve(request, base_url)
        outcome: ChatReply | ChatError | None = None
        try:
            outcome = await next(request)
            return outcome
        except ChatError as error:
            outcome = error
            raise
        finally:
            if record.waiting:  # cut off while it waited for a key
                account.give_back(reserved)
            else:
                account.settle(reserved, request, outcome)


_account: ContextVar[Account[Any] | None] = ContextVar("safechat_account", default=None)


@contextmanager
def charged_to(account: Account[Any]) -> Iterator[None]:
    """Within the block `account` pays for the requests of all calls, beside the wrapper's own budget."""
    token = _account.set(account)
    try:
        yield
    finally:
        _account.reset(token)


def account_here() -> Account[Any] | None:
    """The account of the innermost `charged_to`."""
    return _account.get()
