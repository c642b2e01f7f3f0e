"""ChatSafechat: this client as a chat model of LangChain. The extra `[langchain]` installs langchain-core.

Chains, agents and retrievers of LangChain take it like any other model, and each of their calls has this
client's limits, retries, fallbacks, keys and log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import Field, SkipValidation

try:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.exceptions import OutputParserException
    from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
    from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
    from langchain_core.messages.tool import InvalidToolCall, ToolCall, tool_call_chunk
    from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool
    from langchain_core.utils.function_calling import convert_to_openai_tool
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "ChatSafechat needs its extra: pip install 'safechat[langchain]'", name=error.name
    ) from error

from safechat.client.wrapper import ChatClientWrapper
from safechat.messages import ChatReply
from safechat.usage import Usage

ToolChoice = str | bool | Mapping[str, Any]


class ChatSafechat(BaseChatModel):
    """A chat model that asks `chat`.

    `model`, `temperature`, `max_tokens` and `params` (any other arguments of `chat.generate`) are those of
    every call; what is None is the wrapper's own. Errors are the wrapper's ChatError. Whoever made `chat`
    closes it.

    llm = ChatSafechat(chat=chat)
    llm.invoke("Merhaba")
    """

    chat: SkipValidation[ChatClientWrapper] = Field(exclude=True, repr=False)
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    params: dict[str, Any] = Field(default_factory=dict, repr=False)

    @property
    def _llm_type(self) -> str:
        return "safechat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        own = {"model": self._model, "temperature": self.temperature, "max_tokens": self.max_tokens}
        return own | self.params

    @property
    def _model(self) -> str:
        return self.model or self.chat.dispatcher.defaults.model

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"], params["ls_model_name"] = "openai", kwargs.get("model") or self._model
        return params

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = self.chat.generate(request_messages(messages), **self._arguments(stop, kwargs))
        return ChatResult(generations=[ChatGeneration(message=message_of(reply))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        arguments = self._arguments(stop, kwargs)
        reply = await self.chat.generate_async(request_messages(messages), **arguments)
        return ChatResult(generations=[ChatGeneration(message=message_of(reply))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with self.chat.stream(request_messages(messages), **self._arguments(stop, kwargs)) as stream:
            for piece in stream:
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager is not None:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            yield ChatGenerationChunk(message=last_chunk(stream.reply))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        arguments = self._arguments(stop, kwargs)
        async with self.chat.stream_async(request_messages(messages), **arguments) as stream:
            async for piece in stream:
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager is not None:
                    await run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            yield ChatGenerationChunk(message=last_chunk(stream.reply))

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: ToolChoice | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with these tools. `tool_choice` is a tool's name, "auto", "none", "any", or what the API
        takes."""
        formatted = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        if tool_choice:
            kwargs["tool_choice"] = _tool_choice(tool_choice)
        return self.bind(tools=formatted, **kwargs)

    def _arguments(self, stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        own = {"temperature": self.temperature, "max_tokens": self.max_tokens, "stop": stop or self.stop}
        given = {**self.params, **{name: value for name, value in own.items() if value is not None}, **kwargs}
        given.pop("ls_structured_output_format", None)  # for LangSmith's eyes
        return {"model": self._model, **given}


def request_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """As the API takes them. Of an answer it takes the text and the calls; blocks of other kinds are
    LangChain's own form of the same, or reasoning."""
    converted = []
    for message in messages:
        if not isinstance(message, AIMessage):
            converted += convert_to_openai_messages([message])
            continue
        own = convert_to_openai_messages(message.model_copy(update={"content": str(message.text)}))
        invalid = [_as_sent(call["id"], call["name"], call["args"]) for call in message.invalid_tool_calls]
        converted.append({**own, "tool_calls": [*own.get("tool_calls", ()), *invalid]} if invalid else own)
    return converted


def message_of(reply: ChatReply) -> AIMessage:
    """The reply as LangChain's message: its text, tool calls, usage, and where it came from."""
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call_id, name, arguments in _calls(reply):
        sent = _as_sent(call_id, name, arguments)
        try:
            calls.append(parse_tool_call(sent, return_id=True))
        except OutputParserException as error:
            invalid.append(make_invalid_tool_call(sent, str(error)))
    return AIMessage(
        content=reply.text, tool_calls=calls, invalid_tool_calls=invalid, id=reply.id, **_besides(reply)
    )


def last_chunk(reply: ChatReply) -> AIMessageChunk:
    """What a reply holds besides the pieces of text that have come before."""
    chunks = [
        tool_call_chunk(name=name, args=arguments, id=call_id, index=index)
        for index, (call_id, name, arguments) in enumerate(_calls(reply))
    ]
    return AIMessageChunk(content="", tool_call_chunks=chunks, chunk_position="last", **_besides(reply))


def _calls(reply: ChatReply) -> Iterator[tuple[str | None, str, str]]:
    """Its tool calls: id, name, arguments. A custom tool has a text in place of JSON."""
    for call in cast("tuple[dict[str, Any], ...]", reply.tool_calls):
        said = call.get("function") or call.get("custom") or {}
        yield call.get("id"), said.get("name") or "", said.get("arguments") or said.get("input") or ""


def _as_sent(call_id: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments or ""}}


def _besides(reply: ChatReply) -> dict[str, Any]:
    return {
        "usage_metadata": _usage(reply.usage),
        "additional_kwargs": {"reasoning_content": reply.reasoning} if reply.reasoning else {},
        "response_metadata": {
            "model_name": reply.model,
            "model_provider": "openai",
            "finish_reason": reply.finish_reason,
            "request_id": reply.request_id,
            "attempts": reply.attempts,
        },
    }


def _usage(usage: Usage | None) -> UsageMetadata | None:
    if usage is None:
        return None
    return UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        input_token_details=InputTokenDetails(cache_read=usage.cached_tokens),
        output_token_details=OutputTokenDetails(reasoning=usage.reasoning_tokens),
    )


def _tool_choice(choice: ToolChoice) -> object:
    """As the API takes it: https://platform.openai.com/docs/api-reference/chat/create#chat-create-tool_choice"""
    if choice in ("any", True):
        return "required"
    if isinstance(choice, str) and choice not in ("auto", "none", "required"):
        return {"type": "function", "function": {"name": choice}}
    return choice
