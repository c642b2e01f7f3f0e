"""Reads what the API answered: a ChatReply, or the error that says why it is none.

A 200 is not yet an answer. It may be a proxy's page, half a body, an error
object, no choice, no text, a text cut at the limit, a refusal. It takes the body
of the HTTP answer, or the object that a client made of it. Not here: putting the
chunks of a stream together (chunks.py), an error in place of an answer (error_body.py), answers
that must fit a schema (schema.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Literal

from safechat.call.error_body import broken_off, error_in_place_of_an_answer, error_within, holds_error
from safechat.call.fields import field, items_of, plain, text_of
from safechat.call.finish_reasons import BROKEN_OFF, known_finish_reason
from safechat.call.surrogates import may_hold_halves, mended, mended_all
from safechat.call.tool_calls import as_tool_call
from safechat.errors import (
    BadReply,
    ChatError,
    ContentFiltered,
    EmptyReply,
    MalformedReply,
    RefusedReply,
    TruncatedReply,
)
from safechat.messages import ChatReply, ChatRequest
from safechat.shutdowns import shutdown_day
from safechat.usage import Usage


def read_reply(response: object, request: ChatRequest, headers: Mapping[str, str] | None = None) -> ChatReply:
    """The answer in `response`: bytes or str of JSON, a dict, or an object with the same attributes.

    Raises ContentFiltered, or a kind of BadReply.
    """
    reply, refusal = reply_in(response, request, headers or {})
    return checked_reply(reply, request, refusal)


def reply_in(
    response: object, request: ChatRequest, headers: Mapping[str, str]
) -> tuple[ChatReply, str | None]:
    """What came, answer or not, and the words with which the model declined, if it did.

    Raises MalformedReply; BadReply where the server says that it broke the answer off.
    """
    completion = decode(response, request)
    model = text_of(field(completion, "model")) or request.model
    request_id = headers.get("x-request-id") or text_of(field(completion, "_request_id"))
    choice = first_choice(completion, model, request_id)
    message = field(choice, "message")
    reply = ChatReply(
        text=content_text(field(message, "content")),
        model=model,
        finish_reason=known_finish_reason(text_of(field(choice, "finish_reason")), model),
        usage=read_usage(field(completion, "usage")),
        request_id=request_id,
        tool_calls=read_tool_calls(message),
        headers=headers,
    )
    if reply.finish_reason in BROKEN_OFF:
        raise error_from(reply, BadReply, "the server broke the answer off", code=reply.finish_reason)
    return reply, text_of(field(message, "refusal"))


def checked_reply(reply: ChatReply, request: ChatRequest, refusal: str | None = None) -> ChatReply:
    """`reply` itself, where it is an answer to the request.

    `refusal` are the words of a model that declined. Raises ContentFiltered, or a kind of BadReply.
    """
    if reply.finish_reason == "content_filter":
        raise error_from(reply, ContentFiltered, "a content filter stopped the answer", code="content_filter")
    if reply.finish_reason == "length" and not request.allow_truncated:
        what = "cut at the token limit: raise max_completion_tokens, or pass allow_truncated=True"
        raise error_from(reply, TruncatedReply, what, code="length")
    if not reply.text.strip() and not reply.tool_calls:
        if refusal:
            what = f"the model declined: {refusal}"
            raise error_from(reply, RefusedReply, what, code="refusal", quoted=(refusal,))
        raise error_from(reply, EmptyReply, f"no text (finish_reason {reply.finish_reason!r})")
    return reply


def read_body(answer: object, request: ChatRequest, headers: Mapping[str, str]) -> ChatReply:
    """The answer of any endpoint but that of chats. Raises MalformedReply where it is no JSON object."""
    body = decode(answer, request)
    request_id = headers.get("x-request-id")
    if not isinstance(body, dict):
        what = f"{request.model}: a 200 that is no JSON object: {_outline(body)}"
        raise MalformedReply(what, status=200, request_id=request_id, model=request.model)
    return ChatReply(
        text="",
        model=text_of(body.get("model")) or request.model,
        usage=read_usage(body.get("usage")),
        request_id=request_id,
        headers=headers,
        id=text_of(body.get("id")),
        raw=body,
    )


def read_models(answer: object) -> dict[str, date | None]:
    """The models in a list of models, with the day of their shutdown. Raises MalformedReply."""
    models = field(answer, "data")
    if not isinstance(models, list):
        raise MalformedReply(f"models: a 200 that is no list of models: {_outline(answer)}", status=200)
    named = ((text_of(field(model, "id")), shutdown_day(field(model, "shutdown_date"))) for model in models)
    return {name: day for name, day in named if name}


def error_from(
    reply: ChatReply,
    error: type[ChatError],
    what: str,
    *,
    code: str | None = None,
    quoted: tuple[str, ...] = (),
) -> ChatError:
    """The `error` for a `reply` that is no answer. It keeps what is known: the text so far, usage, ids.

    `quoted` are the parts of `what` that quote the answer.
    """
    failure = error(
        f"{reply.model}: {what}; {len(reply.text)} characters came",
        status=200,
        code=code,
        request_id=reply.request_id,
        model=reply.model,
        usage=reply.usage,
        partial_text=reply.text,
        quoted=quoted,
    )
    failure.reply = reply
    return failure


def decode(response: object, request: ChatRequest) -> object:
    """The JSON in a body; what is no body is an object that a client made of one, and stays as it is.

    Raises MalformedReply.
    """
    if not isinstance(response, bytes | bytearray | str):
        return response
    # Raised outside an except block: a JSONDecodeError on __context__ would hold the whole body.
    with suppress(ValueError, RecursionError):
        body = response.encode("utf-8", "surrogatepass") if isinstance(response, str) else response
        decoded: object = json.loads(body)
        return mended_all(decoded) if may_hold_halves(body) else decoded
    start = repr(response[:80] if isinstance(response, str) else response[:80].decode("utf-8", "replace"))
    what = f"starts with {start}" if response.strip() else "is empty"
    raise MalformedReply(
        f"{request.model}: the body of the answer is not JSON: it {what}",
        status=200,
        model=request.model,
        quoted=(start,),
    )


def first_choice(completion: object, model: str, request_id: str | None) -> object:
    """The first of the completion's choices.

    Raises MalformedReply where it is missing, or has no message; the error that stands in its place, or in
    it, where one does.
    """
    choice = _first_of(field(completion, "choices"))
    if (problem := error_within(choice)) is not None:
        text = content_text(field(field(choice, "message"), "content"))
        usage = read_usage(field(completion, "usage"))
        raise broken_off(problem, model, request_id, usage=usage, partial_text=text)
    if field(choice, "message") is not None:
        return _with_words_of_its_sound(choice)
    if holds_error(completion):
        raise error_in_place_of_an_answer(completion, model, request_id)
    outline = _outline(completion)
    raise MalformedReply(
        f"{model}: a 200 that is no chat completion: {outline}",
        status=200,
        request_id=request_id,
        model=model,
        quoted=(outline,) if isinstance(completion, Mapping) else (),
    )


def _first_of(choices: object) -> object:
    """The one with the lowest index: with n=2 they may come in any order."""
    try:
        if isinstance(choices, list) and len(choices) > 1:
            return min(choices, key=lambda choice: int(text_of(field(choice, "index")) or 0))
        return choices[0]  # type: ignore[index]
    except (TypeError, LookupError, ValueError):
        return None


def _with_words_of_its_sound(choice: object) -> object:
    """`choice`; of an answer in sound the transcript is its text.

    Source: https://platform.openai.com/docs/guides/audio
    """
    message = field(choice, "message")
    transcript = text_of(field(field(message, "audio"), "transcript"))
    if not transcript or content_text(field(message, "content")):
        return choice
    return {**dict(items_of(choice)), "message": {**dict(items_of(message)), "content": transcript}}


def _outline(completion: object) -> str:
    if isinstance(completion, Mapping):
        return f"an object with {', '.join(map(str, completion)) or 'nothing in it'}"
    return "null" if completion is None else f"a {type(completion).__name__} in place of an object"


def content_text(content: object) -> str:
    """The text of a message's content, which some servers give in parts; without any, an empty text."""
    return mended(text_in(content))


def text_in(content: object) -> str:
    """The same as it came: of a stream it may end with half of a surrogate pair."""
    if isinstance(content, list | tuple):
        return "".join(text_of(field(part, "text")) or "" for part in content)
    return text_of(content) or ""


def read_tool_calls(message: object) -> tuple[Mapping[str, object], ...]:
    """The tool calls of a message, as dicts; none is an empty tuple. The API's older `function_call` is one
    without an id."""
    calls = field(message, "tool_calls")
    if isinstance(calls, list | tuple) and (read := tuple(filter(None, map(as_tool_call, calls)))):
        return read
    if (function := field(message, "function_call")) is not None and text_of(field(function, "name")):
        return (as_tool_call({"id": None, "type": "function", "function": plain(function)}),)
    return ()


# The fields in which servers put what the model thought.
_REASONING = (
    "reasoning_content",  # DeepSeek: api-docs.deepseek.com/guides/thinking_mode; Kimi, SGLang
    "reasoning",  # OpenRouter, Groq; vLLM: github.com/BerriAI/litellm/pull/24019
)


def read_reasoning(message: object) -> str:
    """What the model thought before it answered, where the server shows it; else an empty text."""
    for name in _REASONING:
        if text := text_of(field(message, name)):
            return mended(text)
    content = field(message, "content")
    if not isinstance(content, list | tuple):
        return ""
    # Mistral: github.com/agentjido/req_llm/issues/742
    return "".join(content_text(field(part, "thinking")) for part in content)


def with_whole_body(
    reply: ChatReply,
    completion: object,
    body: object,
    *,
    decoded: bool,
    base_url: str | None = None,
    api: Literal["chat", "responses"] = "chat",
) -> ChatReply:
    """`reply` with what its other fields do not name: its id, its reasoning, where it came from, and the
    `body` that came, which is a `completion` or says what that says.

    What is not `decoded` JSON but an object that a client made, is kept as plain data.
    """
    raw = body if decoded else mended_all(plain(body))
    return replace(
        reply,
        raw=raw if isinstance(raw, dict) else {},
        base_url=base_url,
        api=api,
        id=text_of(field(completion, "id")),
        reasoning=read_reasoning(field(_first_of(field(completion, "choices")), "message")),
    )


def read_usage(usage: object) -> Usage | None:
    """The tokens that the answer counts; None where it counts none. The Responses API has other names for
    them."""
    prompt = _count(usage, "prompt_tokens") or _count(usage, "input_tokens")
    completion = _count(usage, "completion_tokens") or _count(usage, "output_tokens")
    of_prompt = field(usage, "prompt_tokens_details") or field(usage, "input_tokens_details")
    of_completion = field(usage, "completion_tokens_details") or field(usage, "output_tokens_details")
    total = _count(usage, "total_tokens") or prompt + completion
    if not total:
        return None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        cached_tokens=_count(of_prompt, "cached_tokens"),
        reasoning_tokens=_count(of_completion, "reasoning_tokens"),
    )


def _count(usage: object, name: str) -> int:
    """A count; 0 where there is none. A server whose numbers are all of one kind writes 3.0."""
    value = field(usage, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        return 0
    return int(value)
