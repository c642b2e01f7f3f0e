"""The drop-in under LangChain's ChatOpenAI, which makes its clients of the SDK itself."""

from __future__ import annotations

import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from safechat import ChatClientWrapper
from safechat.adapters.openai import async_http_client, http_client
from small_model import ANSWER, SmallModel


class City(BaseModel):
    """A city."""

    name: str
    people: int


@pytest.fixture
def llm(chat: ChatClientWrapper) -> ChatOpenAI:
    return ChatOpenAI(
        model="small",
        api_key="not needed",  # type: ignore[arg-type]
        http_client=http_client(chat),
        http_async_client=async_http_client(chat),
        max_retries=2,
    )


def test_it_answers(llm: ChatOpenAI) -> None:
    assert llm.invoke("Merhaba").text == ANSWER


async def test_it_answers_in_an_event_loop(llm: ChatOpenAI) -> None:
    assert (await llm.ainvoke("Merhaba")).text == ANSWER


def test_it_streams(llm: ChatOpenAI) -> None:
    assert "".join(chunk.text for chunk in llm.stream("Merhaba")) == ANSWER


def test_it_gives_structured_output(llm: ChatOpenAI) -> None:
    assert llm.with_structured_output(City).invoke("'Ankara'") == City(name="Ankara", people=3)


def test_its_retries_do_not_multiply_the_wrappers(llm: ChatOpenAI, served: SmallModel) -> None:
    served.script.extend([503] * 3)
    with pytest.raises(openai.InternalServerError):
        llm.invoke("Merhaba")
    assert len(served.requests) == 1
