"""Structured answers: the schema that goes with the request, and the check of what comes back.

Not here: reading the answer itself (reply.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import get_args

import openai
from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

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


def strict_schema(model: type[BaseModel]) -> Mapping[str, object]:
    """The JSON schema of `model` in the strict form that the API asks for."""
    return openai.pydantic_function_tool(model)["function"]["parameters"]


def parse_reply(reply: ChatReply, model: type[BaseModel]) -> ChatReply:
    """`reply` with its text as a `model` in `parsed`; a reply that calls a tool instead stays as it is.

    The JSON may stand in a code fence, or behind `<think>…</think>`. Raises MalformedReply that says which
    field is wrong.
    """
    if reply.tool_calls and not reply.text:
        return reply  # it asks for a tool first
    problems: list[str]
    quoted: set[str]
    try:
        return replace(reply, parsed=model.model_validate_json(json_in(reply.text)))
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


_THOUGHTS = re.compile(r".*?</think>", re.DOTALL)  # some chat templates keep the opening tag to themselves
_FENCE = re.compile(r"^[ \t]*```\w*\s*", re.MULTILINE)
_WHITE_SPACE = re.compile(r"\s*")


def json_in(text: str) -> str:
    """The JSON in `text`: all of it; what stands behind the model's thoughts; the first in a code fence.

    A text without any is given back as it is. Sources: github.com/admonstrator/zettelrobbe/issues/74 (Qwen3),
    github.com/ollama/ollama/issues/15416, github.com/vectorize-io/hindsight/issues/645 (MiniMax)
    """
    if _json_at(text, 0):
        return text
    thoughts = _THOUGHTS.match(text)
    for answer in (text[thoughts.end() :] if thoughts else "", text):
        for start in (0, *(fence.end() for fence in _FENCE.finditer(answer))):
            if found := _json_at(answer, start):
                return found
    return text


def _json_at(text: str, start: int) -> str:
    """The JSON that begins there, after white space; without any, an empty text."""
    if blank := _WHITE_SPACE.match(text, start):
        start = blank.end()
    try:
        return text[start : json.JSONDecoder().raw_decode(text, start)[1]]
    except ValueError:
        return ""
