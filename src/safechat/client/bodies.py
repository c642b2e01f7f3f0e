"""Bodies of the API's own: the parameters of a request, and an answer.

For requests that were written for the API: those of the SDK (adapters/), and the rows of a batch. Not here:
who may ask what (dispatch.py), a stream (adapters/openai_chunks.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from typing import cast

from safechat.assistant import message_of
from safechat.messages import ChatReply, Message


def parameters_of(body: Mapping[str, object], known: Set[str]) -> dict[str, object]:
    """The body as parameters of the SDK, which knows these. The others go into `extra_body`: a body is what
    the server gets."""
    params = {name: value for name, value in body.items() if name in known}
    if unknown := {name: value for name, value in body.items() if name not in known}:
        params["extra_body"] = {**unknown, **cast(dict[str, object], params.get("extra_body") or {})}
    return params


def texts_of(body: Mapping[str, object]) -> tuple[Message, ...]:
    """What the tokens are estimated from: the texts of an embedding, the input of a response."""
    given = body.get("input")
    texts = given if isinstance(given, list) else [] if given is None else [given]
    return tuple({"role": "user", "content": text if isinstance(text, str) else str(text)} for text in texts)


def body_of(reply: ChatReply) -> dict[str, object]:
    """The body that the reply was read from. A server that leaves out what the API always gives is helped."""
    own = {"id": reply.id, "object": "chat.completion", "created": int(time.time()), "model": reply.model}
    return dict(reply.raw) if "object" in reply.raw else {**own, **reply.raw}


def completion_of(reply: ChatReply) -> dict[str, object]:
    """The same for a caller of Chat Completions: of an answer of the Responses API, what that would say."""
    output = reply.raw.get("output")
    if not isinstance(output, list):
        return body_of(reply)
    choice = {"index": 0, "message": message_of(output), "finish_reason": reply.finish_reason}
    body: dict[str, object]
    body = {"id": reply.id, "object": "chat.completion", "created": int(time.time()), "model": reply.model}
    usage = reply.usage
    if usage is not None:
        body["usage"] = {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        }
    return {**body, "choices": [choice]}
