"""The drop-in under Haystack, whose generator has its client in an attribute."""

from __future__ import annotations

import openai
import pytest
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage, StreamingChunk
from haystack.tools import Tool
from haystack.utils import Secret

from safechat import ChatClientWrapper
from small_model import ANSWER, SmallModel

MERHABA = [ChatMessage.from_user("'Türkiye'")]
SCHEMA = {"type": "object", "properties": {"country": {"type": "string"}}}


@pytest.fixture
def generator(chat: ChatClientWrapper) -> OpenAIChatGenerator:
    generator = OpenAIChatGenerator(model="small", api_key=Secret.from_token("not needed"))
    generator.warm_up()
    generator.client, generator.async_client = chat.openai(), chat.async_openai()
    return generator


def test_it_answers(generator: OpenAIChatGenerator) -> None:
    assert generator.run(MERHABA)["replies"][0].text == ANSWER


async def test_it_answers_in_an_event_loop(generator: OpenAIChatGenerator) -> None:
    assert (await generator.run_async(MERHABA))["replies"][0].text == ANSWER


def test_it_streams(generator: OpenAIChatGenerator) -> None:
    pieces: list[str] = []

    def add(chunk: StreamingChunk) -> None:
        pieces.append(chunk.content)

    assert generator.run(MERHABA, streaming_callback=add)["replies"][0].text == ANSWER
    assert "".join(pieces) == ANSWER


def test_it_calls_a_tool(generator: OpenAIChatGenerator) -> None:
    tool = Tool(
        name="capital", description="The capital", parameters=SCHEMA, function=lambda country: "Ankara"
    )
    (call,) = generator.run(MERHABA, tools=[tool])["replies"][0].tool_calls
    assert (call.tool_name, call.arguments) == ("capital", {"country": "Türkiye"})


def test_an_error_is_one_call(generator: OpenAIChatGenerator, served: SmallModel) -> None:
    served.script.extend([503] * 3)
    with pytest.raises(openai.InternalServerError):
        generator.run(MERHABA)
    assert len(served.requests) == 1
