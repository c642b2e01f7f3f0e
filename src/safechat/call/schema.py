"""Structured answers: the schema that goes with the request, and the check of what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel, ValidationError

from safechat.call.endpoint import strict_schema
from safechat.errors import NO_FIT, MalformedReply
from safechat.messages import ChatReply


def response_format(model: type[BaseModel]) -> Mapping[str, object]:
    """The API's parameter that asks for JSON of this model, strictly.

    Source: https://platform.openai.com/docs/guides/structured-outputs
    """
    schema = {"name": model.__name__, "schema": strict_schema(model), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def parsed(reply: ChatReply, model: type[BaseModel]) -> ChatReply:
    """`reply` with its text as a `model`; one that calls a tool instead, as it is.

    Raises MalformedReply that says which field is wrong.
    """
    if reply.tool_calls and not reply.text:
        return reply  # it asks for a tool first
    problems: list[str]
    try:
        return replace(reply, parsed=model.model_validate_json(reply.text))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}"
            for each in error.errors(include_input=False, include_url=False)
        ]
    told = "; ".join(problems[:5])
    raise MalformedReply(
        f"{reply.model}: the answer is no {model.__name__}: {told}",
        status=200,
        code=NO_FIT,
        request_id=reply.request_id,
        model=reply.model,
    )
