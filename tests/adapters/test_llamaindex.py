"""Safechat: an LLM of LlamaIndex, with what LlamaIndex builds upon one."""

from __future__ import annotations

import base64
import pickle
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import CacheControl as Cache
from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    ChatResponse,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
)
from llama_index.core.query_engine import CitationQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from safechat import ChatClientWrapper, ChatReply, ServerError
from safechat.adapters.llamaindex import Safechat, request_messages
from safechat.testing import ScriptedClient
from small_model import ANSWER, SmallModel

QUESTION = [ChatMessage("What is the capital of 'Türkiye'?")]


class City(BaseModel):
    """A city."""

    name: str
    people: int


def capital(country: str) -> str:
    """The capital of a country."""
    return f"{country}: Ankara"


TOOL = FunctionTool.from_defaults(fn=capital)


@pytest.fixture
def llm(chat: ChatClientWrapper) -> Safechat:
    return Safechat(chat=chat)


def test_complete(llm: Safechat) -> None:
    assert llm.complete("Merhaba").text == ANSWER


async def test_acomplete(llm: Safechat) -> None:
    assert (await llm.acomplete("Merhaba")).text == ANSWER


def test_chat_gives_the_text_the_usage_and_the_body_of_the_answer(llm: Safechat) -> None:
    response = llm.chat(QUESTION)
    assert response.message.content == ANSWER
    assert response.additional_kwargs == {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    assert response.raw is not None
    assert response.raw["id"] == "chatcmpl-1"


async def test_achat(llm: Safechat) -> None:
    assert (await llm.achat(QUESTION)).message.content == ANSWER


def grows(responses: list[ChatResponse]) -> bool:
    """Whether the deltas, one behind the other, are what each message has."""
    text = ""
    for response in responses:
        text += response.delta or ""
        if (response.message.content or "") != text:
            return False
    return text == ANSWER


def test_the_message_of_a_stream_grows_and_its_delta_does_not(llm: Safechat) -> None:
    responses = list(llm.stream_chat(QUESTION))
    assert grows(responses)
    assert responses[-1].additional_kwargs["total_tokens"] == 14


async def test_so_does_that_of_an_asynchronous_one(llm: Safechat) -> None:
    assert grows([response async for response in await llm.astream_chat(QUESTION)])


def test_stream_complete(llm: Safechat) -> None:
    assert [piece.delta for piece in llm.stream_complete("Merhaba")][:2] == ["Merhaba!", " The"]


async def test_astream_complete(llm: Safechat) -> None:
    pieces = [piece async for piece in await llm.astream_complete("Merhaba")]
    assert pieces[-1].text == ANSWER


def test_a_stream_that_is_left_ends_its_call() -> None:
    ended: list[bool] = []

    class Endless:
        async def create(self, **_: object) -> object:
            async def chunks() -> AsyncIterator[object]:
                try:
                    while True:
                        yield {"choices": [{"delta": {"content": "ha "}}]}
                finally:
                    ended.append(True)

            return chunks()

        @property
        def chat(self) -> object:
            return self

        completions = chat

    with ChatClientWrapper(Endless()) as chat:
        stream = Safechat(chat=chat).stream_chat(QUESTION)
        assert next(stream).delta == "ha "
        stream.close()
        assert ended == [True]


def test_its_own_settings_and_those_of_a_call_go_to_the_api(
    chat: ChatClientWrapper, served: SmallModel
) -> None:
    llm = Safechat(chat=chat, model="another", temperature=0.5, max_tokens=64, params={"seed": 7})
    llm.chat(QUESTION, temperature=0.25)
    sent = {"model": "another", "temperature": 0.25, "max_tokens": 64, "seed": 7}
    assert served.requests[0] | sent == served.requests[0]
    assert (llm.metadata.model_name, llm.metadata.num_output) == ("another", 64)


def test_an_error_is_the_wrappers_own_and_one_request(llm: Safechat, served: SmallModel) -> None:
    served.script.append(503)
    with pytest.raises(ServerError):
        llm.complete("Merhaba")
    assert len(served.requests) == 1


def test_a_tool_is_chosen_and_called(llm: Safechat) -> None:
    assert str(llm.predict_and_call([TOOL], QUESTION[0].content)) == "Türkiye: Ankara"


def test_a_tool_that_must_be_called_is_asked_for(llm: Safechat, served: SmallModel) -> None:
    llm.chat_with_tools([TOOL], "Merhaba", tool_required=True)
    assert served.requests[0]["tool_choice"] == "required"
    assert served.requests[0]["parallel_tool_calls"] is False


def test_an_answer_without_a_call_is_an_error_only_where_one_is_wanted(llm: Safechat) -> None:
    response = llm.chat(QUESTION)
    assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
    with pytest.raises(ValueError, match="called no tool"):
        llm.get_tool_calls_from_response(response)


async def test_an_agent_calls_its_tool_and_answers(llm: Safechat, served: SmallModel) -> None:
    agent = FunctionAgent(tools=[TOOL], llm=llm)
    assert str(await agent.run(QUESTION[0].content)) == ANSWER
    *_, call, result = served.requests[1]["messages"]
    assert call["tool_calls"][0]["function"] == {"name": "capital", "arguments": '{"country": "Türkiye"}'}
    assert (result["role"], result["tool_call_id"]) == ("tool", call["tool_calls"][0]["id"])
    assert "Ankara" in result["content"]


def test_a_structured_llm_gives_its_model(llm: Safechat) -> None:
    assert llm.as_structured_llm(City).chat(QUESTION).raw == City(name="Türkiye", people=3)


def test_a_structured_llm_streams(llm: Safechat) -> None:
    responses = list(llm.as_structured_llm(City).stream_chat(QUESTION))
    assert responses[-1].raw == City(name="Türkiye", people=3)


class TwoTexts(BaseRetriever):
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text=text)) for text in ("The sky is blue.", "Grass is green.")]


def test_a_citation_query_engine_answers_with_its_sources(llm: Safechat, served: SmallModel) -> None:
    answer = CitationQueryEngine(retriever=TwoTexts(), llm=llm).query("What colour is the sky?")
    assert str(answer) == ANSWER
    assert "The sky is blue." in answer.source_nodes[0].text
    assert "Source 2:\nGrass is green." in served.requests[0]["messages"][-1]["content"]


def test_what_the_model_thought_is_a_block_and_does_not_go_back() -> None:
    with ChatClientWrapper(ScriptedClient(ChatReply(text="4", model="small", reasoning="2 and 2"))) as chat:
        message = Safechat(chat=chat).chat(QUESTION).message
    assert message.blocks == [ThinkingBlock(content="2 and 2"), TextBlock(text="4")]
    assert request_messages([message]) == [{"role": "assistant", "content": "4"}]


def test_an_image_and_a_document_go_to_the_api() -> None:
    picture = b"\x89PNG\r\n\x1a\n"
    image = ImageBlock(image=picture, image_mimetype="image/png")
    document = DocumentBlock(data=b"%PDF-1.4", title="a.pdf", document_mimetype="application/pdf")
    message = ChatMessage([TextBlock(text="?"), image, document], role=MessageRole.USER)
    assert request_messages([message])[0]["content"] == [
        {"type": "text", "text": "?"},
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{base64.b64encode(picture).decode()}"},
        },
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="},
        },
    ]


def test_a_block_that_the_api_does_not_take_is_an_error() -> None:
    message = ChatMessage([CachePoint(cache_control=Cache(type="ephemeral"))])
    with pytest.raises(ValueError, match="CachePoint"):
        request_messages([message])


@pytest.mark.parametrize("readme", ["README.md", "README.tr.md"])
def test_the_lines_in_the_readme_run(
    readme: str, chat: ChatClientWrapper, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"^```py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    exec("\n".join(line for line in lines if " Safechat" in line or "(Safechat(" in line), {"chat": chat})
    assert ANSWER in capsys.readouterr().out


def test_to_pickle_it_is_refused_and_leaves_it_whole(llm: Safechat) -> None:
    with pytest.raises(TypeError, match="make one in each process"):
        pickle.dumps(llm)
    assert llm.complete("Merhaba").text == ANSWER


def test_a_call_without_a_name_is_read(chat: ChatClientWrapper, served: SmallModel) -> None:
    call = {"id": "1", "type": "function", "function": {"arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    served.script.append({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    (block,) = Safechat(chat=chat).chat(QUESTION).message.blocks
    assert getattr(block, "tool_name", None) == ""
