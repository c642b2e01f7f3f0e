"""Structured answers: the schema that goes with the request, and the check of what comes back.

Not here: reading the answer itself (reply.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from safechat.call.endpoint import strict_schema
from safechat.call.reply import error_from
from safechat.errors import NO_FIT, MalformedReply
from safechat.messages import ChatReply

# Types of pydantic's problems whose text may quote the input.
_QUOTING = ("value_error", "assertion_error", "union_tag_invalid")


def response_format(model: type[BaseModel]) -> Mapping[str, object]:
    """The API's parameter that asks for JSON of this model, strictly.

    Source: https://platform.openai.com/docs/guides/structured-outputs
    """
    schema = {"name": model.__name__, "schema": strict_schema(model), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def parse_reply(reply: ChatReply, model: type[BaseModel]) -> ChatReply:
    """`reply` with its text as a `model` in `parsed`; a reply that calls a tool instead stays as it is.

    Raises MalformedReply that says which field is wrong.
    """
    if reply.tool_calls and not reply.text:
        return reply  # it asks for a tool first
    problems: list[str]
    quoted: set[str]
    try:
        return replace(reply, parsed=model.model_validate_json(reply.text))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        quoted = set(_quoted(error, model))
    what = f"the answer is no {model.__name__}: {'; '.join(problems[:5])}"
    raise error_from(reply, MalformedReply, what, code=NO_FIT, quoted=tuple(quoted))


def _quoted(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """What the problems quote of the answer: names that the schema does not know, words of validators."""
    names = set(_names_in(strict_schema(model)))
    for problem in error.errors(include_input=False, include_url=False):
        yield from (place for place in problem["loc"] if isinstance(place, str) and place not in names)
        if problem["type"] in _QUOTING or problem["type"] not in get_args(ErrorType):
            yield problem["msg"]


def _names_in(schema: object) -> Iterator[str]:
    """The names of all fields, and of the branches of unions."""
    if isinstance(schema, Mapping):
        for name, value in schema.items():
            yield name
            yield from _names_in(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _names_in(item)
