"""A request by `client.post` is, on the wire, the one that the SDK's own `create` would have sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from safechat.call.apis import CHAT_FORMAT, RESPONSES_FORMAT, WireFormat
from safechat.call.endpoint import Endpoint
from safechat.call.schema import response_format

ANSWER = {"choices": [{"index": 0, "message": {"content": "ok"}, "finish_reason": "stop"}]}
PROMPT = [{"role": "system", "content": "Kısa yaz."}, {"role": "user", "content": "Merhaba, İğdır 👋"}]


class Bill(BaseModel):
    total: float


class Recorder(httpx2.MockTransport):
    """Answers each request, and keeps it."""

    def __init__(self, stream: bool) -> None:
        self.requests: list[httpx2.Request] = []
        self._stream = stream
        super().__init__(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if self._stream:
            return httpx2.Response(
                200, text="data: [DONE]\n\n", headers={"content-type": "text/event-stream"}
            )
        return httpx2.Response(200, json=ANSWER)


def plain(http_client: httpx2.AsyncClient) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key="sk-test-0123456789",
        organization="org",
        project="proj",
        default_headers={"x-team": "a"},
        default_query={"tenant": "b"},
        http_client=http_client,
        max_retries=0,
    )


def azure(http_client: httpx2.AsyncClient) -> openai.AsyncOpenAI:
    return openai.AsyncAzureOpenAI(
        api_key="azure-0123456789",
        azure_endpoint="https://example.openai.azure.com",
        api_version="2025-01-01",
        http_client=http_client,
        max_retries=0,
    )


TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "parameters": {"temperature": 0.7, "max_completion_tokens": 5, "stop": ["."], "seed": None},
    "extra": {"extra_headers": {"x-a": "1"}, "extra_query": {"q": "2"}, "extra_body": {"top_k": 3}},
    "parse": {"response_format": response_format(Bill)},
    "tools": {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
    "no time limit": {"timeout": None},
}


def outline(request: httpx2.Request) -> tuple[str, str, dict[str, str], bytes]:
    return request.method, str(request.url), dict(request.headers), request.content


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
@pytest.mark.parametrize("client_of", [plain, azure])
@pytest.mark.parametrize("wire_format", [CHAT_FORMAT, RESPONSES_FORMAT], ids=lambda row: row.api)
async def test_method_path_headers_and_body_are_the_same(
    wire_format: WireFormat,
    client_of: Callable[[httpx2.AsyncClient], openai.AsyncOpenAI],
    arguments: dict[str, Any],
    stream: bool,
) -> None:
    transport = Recorder(stream)
    async with httpx2.AsyncClient(transport=transport) as http_client:
        client = client_of(http_client)
        given = {"model": "gpt-x", "timeout": 5.0, **wire_format.arguments(PROMPT, arguments)}
        if stream:
            given |= {"stream": True, **wire_format.stream_params}
        operation = wire_format.operation
        await operation.of(client).create(**given)
        if stream:
            chunks, _ = await Endpoint(client).stream(operation, given)
            await chunks.aclose()
        else:
            await Endpoint(client).exchange(operation, given, 5.0)
    by_create, by_post = transport.requests
    assert outline(by_post) == outline(by_create)
