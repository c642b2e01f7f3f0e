"""The parameters that the SDK's clients take, by either API, and the check of a call's.

Not here: what the Responses API calls them (responses.py), which of them a model refuses (parameters.py).
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from functools import cache

import openai

from safechat.call.clients import SDKClient
from safechat.messages import Api

PARAMETERS = frozenset(inspect.signature(openai.resources.chat.Completions.create).parameters) - {
    "self", "model", "messages", "stream", "stream_options", "timeout",
}  # fmt: skip


@cache
def own_parameters() -> frozenset[str]:
    """The parameters that only the Responses API takes. Its part of the SDK is loaded late."""
    create = importlib.import_module("openai.resources.responses").Responses.create
    return frozenset(inspect.signature(create).parameters) - PARAMETERS - {
        "self", "model", "input", "stream", "stream_options", "timeout",
    }  # fmt: skip


def check_parameters(client: object, params: Mapping[str, object], api: Api = "chat") -> None:
    """Raise TypeError for one of `params` that the SDK's clients do not take; any other client may."""
    if not isinstance(client, SDKClient) or params.keys() <= PARAMETERS:
        return
    known = PARAMETERS if api == "chat" else PARAMETERS | own_parameters()
    for name in params:
        if name in known:
            continue
        if name in own_parameters():
            raise TypeError(f"{name!r} is a parameter of the Responses API: pass api='responses', too")
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        raise TypeError(
            f"unknown parameter {name!r}{hint} "
            "a parameter that only your server knows goes into extra_body={…}"
        )


def is_for_responses(params: Mapping[str, object]) -> bool:
    """Whether one of `params` is of the Responses API alone."""
    return not params.keys() <= PARAMETERS and bool(params.keys() & own_parameters())
