"""The rows of a batch's input: what a row asks, its id, and the hash that shows whether it has changed.

A line is OpenAI's form (https://platform.openai.com/docs/guides/batch)

    {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": …, "messages": …}}

with the URL of either API, or a prompt or messages, with parameters of the API beside them:

    {"prompt": "Merhaba", "temperature": 0}

`custom_id` may be left out: then the number of the line stands for it. Empty lines are none. Not here: what
an API takes (checks.py), which rows are answered already (journal.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

from safechat.call.sdk_parameters import PARAMETERS
from safechat.client.bodies import parameters_of
from safechat.messages import CHAT, RESPONSES_ENDPOINT, Messages

_ENDPOINTS = {"/chat/completions": CHAT, "/responses": RESPONSES_ENDPOINT}  # by the end of the URL
_OPENAIS = {"custom_id", "method", "url", "body"}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a batch. `line` counts from 1; `model` is the row's own, or that of the batch.

    One for the Responses API has no messages: its body is in the `params`.
    """

    line: int
    id: str
    messages: Messages
    model: str
    params: Mapping[str, object]
    endpoint: str = CHAT

    def fingerprint(self) -> int:
        """64 bits of what is asked: messages, model and parameters, in whatever order they stand."""
        asked = [self.messages, self.model, self.params]
        return _hash(json.dumps(asked, sort_keys=True, separators=(",", ":")))


def key_of(id: str) -> int:
    """64 bits that stand for an id: a million of them take little memory, and no two are the same."""
    return _hash(id)


def read_rows(lines: Iterable[bytes], model: str) -> Iterator[Row]:
    """The rows of a file that is open for reading bytes; `model` is for those that name none.

    Raises ValueError that names the line which is no row.
    """
    for number, line in enumerate(lines, 1):
        data = line.removeprefix(_BOM) if number == 1 else line
        if data.strip():
            try:
                yield _read_row(number, data, model)
            except (TypeError, ValueError) as error:
                reason = str(error)
            else:
                continue
            raise ValueError(f"line {number}: {reason}")


def _read_row(number: int, data: bytes, model: str) -> Row:
    try:
        fields = json.loads(data, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("this is JSON of too many levels") from None
    except ValueError as error:
        raise ValueError(f"this is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError(f"a row is a JSON object, not a {type(fields).__name__}")
    id = fields.pop("custom_id", f"line-{number}")
    if not isinstance(id, str) or not id:
        raise ValueError(f"custom_id must be a text, not {id!r}")
    _check_encodable(id)
    endpoint = _endpoint_of(fields) if "body" in fields else CHAT
    messages: Messages = ()
    if endpoint == RESPONSES_ENDPOINT:
        params = _response_body(fields["body"])
    elif "body" in fields:
        messages, params = _chat_body(fields["body"])
    else:
        messages, params = _short(fields)
    if params.get("stream") in (None, False):
        params.pop("stream", None)
    return Row(number, id, messages, cast(str, params.pop("model", model)), params, endpoint)


def _endpoint_of(fields: Mapping[str, object]) -> str:
    """Where a row in OpenAI's form is asked."""
    if unknown := fields.keys() - _OPENAIS:
        raise ValueError(f"beside body there is {', '.join(sorted(unknown))}, which no row has")
    url = str(fields.get("url", "/chat/completions"))
    endpoint = next((_ENDPOINTS[end] for end in _ENDPOINTS if url.endswith(end)), None)
    if fields.get("method", "POST") != "POST" or endpoint is None:
        asked = f"{fields.get('method', 'POST')} {url}"
        raise ValueError(f"only POST …/chat/completions and POST …/responses can be asked, not {asked}")
    if not isinstance(body := fields["body"], dict):
        raise ValueError(f"body must be a JSON object, not a {type(body).__name__}")
    return endpoint


def _chat_body(body: Any) -> tuple[Messages, dict[str, object]]:
    """The messages and the parameters of a request to Chat Completions."""
    params = parameters_of(body, PARAMETERS | _APART)
    if "messages" not in params:
        raise ValueError("body has no messages")
    return cast(Messages, params.pop("messages")), params


def _response_body(body: Any) -> dict[str, object]:
    """The body of a request to the Responses API."""
    if not body.get("input") and not body.get("prompt"):
        raise ValueError("body has no input")
    for name in ("stream", "background"):
        if body.get(name):
            raise ValueError(f"{name} is not for a batch, which waits for whole answers")
    return dict(body)


_APART = {"messages", "model", "stream", "stream_options"}


def _short(fields: dict[str, object]) -> tuple[Messages, dict[str, object]]:
    if ("prompt" in fields) == ("messages" in fields):
        raise ValueError("a row has a body, or a prompt, or messages: one of the three")
    messages = fields.pop("prompt" if "prompt" in fields else "messages")
    return cast(Messages, messages), fields


def _check_encodable(id: str) -> None:
    try:
        id.encode()
    except UnicodeEncodeError:
        raise ValueError(f"custom_id holds half of a surrogate pair: {id!r}") from None


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no number in JSON")


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
