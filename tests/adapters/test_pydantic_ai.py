"""The drop-in under pydantic-ai."""

from __future__ import annotations

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from safechat import ChatClientWrapper
from small_model import ANSWER, SmallModel


class City(BaseModel):
    """A city."""

    name: str
    people: int


@pytest.fixture
def model(chat: ChatClientWrapper) -> OpenAIChatModel:
    return OpenAIChatModel("small", provider=OpenAIProvider(openai_client=chat.async_openai()))


async def test_it_answers(model: OpenAIChatModel) -> None:
    assert (await Agent(model).run("Merhaba")).output == ANSWER


async def test_its_tools_are_called(model: OpenAIChatModel, served: SmallModel) -> None:
    agent = Agent(model)

    @agent.tool_plain
    def capital(country: str) -> str:
        """The capital of a country."""
        return f"{country}: Ankara"

    assert (await agent.run("'Türkiye'")).output == ANSWER
    assert served.requests[1]["messages"][-1]["content"] == "Türkiye: Ankara"


async def test_it_gives_structured_output(model: OpenAIChatModel) -> None:
    assert (await Agent(model, output_type=City).run("'Ankara'")).output == City(name="Ankara", people=3)


async def test_it_streams(model: OpenAIChatModel) -> None:
    async with Agent(model).run_stream("Merhaba") as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert len(pieces) > 1
    assert "".join(pieces) == ANSWER


async def test_an_error_has_its_status_and_is_one_call(model: OpenAIChatModel, served: SmallModel) -> None:
    served.script.extend([503] * 3)
    with pytest.raises(ModelHTTPError) as caught:
        await Agent(model).run("Merhaba")
    assert caught.value.status_code == 503
    assert len(served.requests) == 1
