"""Safechat: this client as an LLM of LlamaIndex. The extra `[llamaindex]` installs llama-index-core.

Query engines, agents and structured LLMs of LlamaIndex take it like any other, and each of their calls has
this client's limits, retries, fallbacks, keys and log.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, NoReturn

from pydantic import Field, SkipValidation

try:
    from llama_index.core.base.llms.generic_utils import (
        astream_chat_response_to_completion_response,
        chat_response_to_completion_response,
        stream_chat_response_to_completion_response,
    )
    from llama_index.core.base.llms.types import (
        AudioBlock,
        ChatMessage,
        ChatResponse,
        ChatResponseAsyncGen,
        ChatResponseGen,
        CompletionResponse,
        CompletionResponseAsyncGen,
        CompletionResponseGen,
        DocumentBlock,
        ImageBlock,
        LLMMetadata,
        MessageRole,
        TextBlock,
        ThinkingBlock,
        ToolCallBlock,
    )
    from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
    from llama_index.core.llms.function_calling import FunctionCallingLLM
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.llms.utils import parse_partial_json
    from llama_index.core.tools.types import BaseTool
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Safechat needs its extra: pip install 'safechat[llamaindex]'", name=error.name
    ) from error

from safechat.client.wrapper import ChatClientWrapper
from safechat.messages import ChatReply


class Safechat(FunctionCallingLLM):
    """An LLM that asks `chat`.

    `model`, `temperature`, `max_tokens` and `params` (any other arguments of `chat.generate`) are those of
    every call; what is None is the wrapper's own. `context_window` is the model's, in tokens: LlamaIndex
    packs prompts by it. Errors are the wrapper's ChatError. Whoever made `chat` closes it.

    llm = Safechat(chat=chat)
    llm.complete("Merhaba")
    """

    chat_client: SkipValidation[ChatClientWrapper] = Field(alias="chat", exclude=True, repr=False)
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    context_window: int = 128_000
    params: dict[str, Any] = Field(default_factory=dict, repr=False)

    @classmethod
    def class_name(cls) -> str:
        return "safechat"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            context_window=self.context_window,
            num_output=self.max_tokens or -1,
            is_chat_model=True,
            is_function_calling_model=True,
            model_name=self.model or self.chat_client.dispatcher.defaults.model,
        )

    def __getstate__(self) -> NoReturn:
        """LlamaIndex would take the wrapper out of this object to pickle it, and leave it without one."""
        raise TypeError("a Safechat cannot be pickled: make one in each process, with a wrapper of its own")

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return response_of(self.chat_client.generate(request_messages(messages), **self._arguments(kwargs)))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        arguments = self._arguments(kwargs)
        return response_of(await self.chat_client.generate_async(request_messages(messages), **arguments))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        stream = self.chat_client.stream(request_messages(messages), **self._arguments(kwargs))

        def responses() -> ChatResponseGen:
            text = ""
            with stream:
                for piece in stream:
                    text += piece
                    yield _begun(text, piece)
                yield response_of(stream.reply, delta="")

        return responses()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        stream = self.chat_client.stream_async(request_messages(messages), **self._arguments(kwargs))

        async def responses() -> ChatResponseAsyncGen:
            text = ""
            async with stream:
                async for piece in stream:
                    text += piece
                    yield _begun(text, piece)
                yield response_of(stream.reply, delta="")

        return responses()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return chat_response_to_completion_response(self.chat([ChatMessage(prompt)], **kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return chat_response_to_completion_response(await self.achat([ChatMessage(prompt)], **kwargs))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        return stream_chat_response_to_completion_response(self.stream_chat([ChatMessage(prompt)], **kwargs))

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        responses = await self.astream_chat([ChatMessage(prompt)], **kwargs)
        return astream_chat_response_to_completion_response(responses)

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        last = [ChatMessage(user_msg) if isinstance(user_msg, str) else user_msg] if user_msg else []
        messages = [*(chat_history or ()), *last]
        if not tools:
            return {"messages": messages, **kwargs}
        return {
            "messages": messages,
            "tools": [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools],
            "tool_choice": _tool_choice(tool_choice, tool_required),
            "parallel_tool_calls": allow_parallel_tool_calls,
            **kwargs,
        }

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The calls in it; ValueError where there is none, unless that is fine."""
        calls = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if not calls and error_on_no_tool_call:
            raise ValueError("the model called no tool")
        return [
            ToolSelection(
                tool_id=call.tool_call_id or "",
                tool_name=call.tool_name,
                tool_kwargs=parse_partial_json(call.tool_kwargs)
                if isinstance(call.tool_kwargs, str)
                else call.tool_kwargs,
            )
            for call in calls
        ]

    def _arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        own = {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}
        return {**self.params, **{name: value for name, value in own.items() if value is not None}, **kwargs}


def request_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """As the API takes them. ValueError for a block that it does not take."""
    return [_message(message) for message in messages]


def response_of(reply: ChatReply, delta: str | None = None) -> ChatResponse:
    """The reply as LlamaIndex's response. Its message holds the reasoning, the text, the tool calls."""
    blocks: list[Any] = [ThinkingBlock(content=reply.reasoning)] if reply.reasoning else []
    if reply.text or not reply.tool_calls:
        blocks.append(TextBlock(text=reply.text))
    for call in reply.tool_calls:
        said: Any = call.get("function") or call.get("custom") or {}
        given = said.get("arguments") or said.get("input") or {}
        blocks.append(
            ToolCallBlock(tool_call_id=call.get("id"), tool_name=said.get("name") or "", tool_kwargs=given)
        )
    # Its structured streams look for the calls here, too, and read them from the blocks then.
    calls = {"tool_calls": list(reply.tool_calls)} if reply.tool_calls else {}
    usage = reply.usage
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return ChatResponse(
        message=ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=calls),
        delta=delta,
        raw=dict(reply.raw),
        additional_kwargs={} if usage is None else {name: getattr(usage, name) for name in names},
    )


def _begun(text: str, piece: str) -> ChatResponse:
    return ChatResponse(message=ChatMessage(text, role=MessageRole.ASSISTANT), delta=piece)


def _message(message: ChatMessage) -> dict[str, Any]:
    parts = [part for block in message.blocks if (part := _part(block)) is not None]
    calls = [_call(block) for block in message.blocks if isinstance(block, ToolCallBlock)]
    is_text = all(part["type"] == "text" for part in parts)
    content = "".join(part["text"] for part in parts) if is_text else parts
    own: dict[str, Any] = {"role": message.role.value, "content": content}
    if calls:
        own |= {"content": content or None, "tool_calls": calls}
    if "tool_call_id" in message.additional_kwargs:
        own["tool_call_id"] = message.additional_kwargs["tool_call_id"]
    return own


def _part(block: Any) -> dict[str, Any] | None:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    if isinstance(block, ThinkingBlock | ToolCallBlock):
        return None
    if isinstance(block, ImageBlock):
        url = str(block.url) if block.url else _data_url(block.image_mimetype, block.resolve_image())
        detail = {"detail": block.detail} if block.detail else {}
        return {"type": "image_url", "image_url": {"url": url, **detail}}
    if isinstance(block, AudioBlock):
        sound = {"data": _base64(block.resolve_audio()), "format": block.format}
        return {"type": "input_audio", "input_audio": sound}
    if isinstance(block, DocumentBlock):
        data = _data_url(block.document_mimetype, block.resolve_document())
        return {"type": "file", "file": {"filename": block.title, "file_data": data}}
    raise ValueError(f"the API takes no {type(block).__name__}")


def _data_url(kind: str | None, file: Any) -> str:
    return f"data:{kind};base64,{_base64(file)}"


def _base64(file: Any) -> str:
    return b64encode(file.read()).decode()


def _call(block: ToolCallBlock) -> dict[str, Any]:
    given = block.tool_kwargs
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return {
        "id": block.tool_call_id,
        "type": "function",
        "function": {"name": block.tool_name, "arguments": arguments},
    }


def _tool_choice(choice: str | dict[str, Any] | None, required: bool) -> object:
    if choice is None:
        return "required" if required else "auto"
    if isinstance(choice, str) and choice not in ("auto", "none", "required"):
        return {"type": "function", "function": {"name": choice}}
    return choice
