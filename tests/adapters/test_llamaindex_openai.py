"""The drop-in under LlamaIndex's class OpenAI."""

from __future__ import annotations

import openai
import pytest
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI

from safechat import ChatClientWrapper
from small_model import ANSWER, SmallModel


@pytest.fixture
def llm(chat: ChatClientWrapper) -> OpenAI:
    return OpenAI(
        model="gpt-4o-mini",
        api_key="not needed",
        openai_client=chat.openai(),
        async_openai_client=chat.async_openai(),
    )


def test_it_answers(llm: OpenAI) -> None:
    assert llm.complete("Merhaba").text == ANSWER


async def test_it_answers_in_an_event_loop(llm: OpenAI) -> None:
    assert (await llm.achat([ChatMessage("Merhaba")])).message.content == ANSWER


def test_it_streams(llm: OpenAI) -> None:
    assert "".join(piece.delta or "" for piece in llm.stream_complete("Merhaba")) == ANSWER


def test_an_error_is_one_call(llm: OpenAI, served: SmallModel) -> None:
    served.script.extend([400] * 3)
    with pytest.raises(openai.BadRequestError):
        llm.complete("Merhaba")
    assert len(served.requests) == 1
