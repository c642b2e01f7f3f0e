"""ChatSafechat: LangChain's own standard tests, and what they do not ask."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from safechat import ChatClientWrapper, ChatReply, ServerError
from safechat.adapters.langchain import ChatSafechat, message_of, request_messages
from safechat.testing import ScriptedClient
from small_model import ANSWER, REQUEST_ID, SmallModel


class TestUnit(ChatModelUnitTests):
    @pytest.fixture(autouse=True)
    def _wrapper(self, chat: ChatClientWrapper) -> None:
        self.chat = chat

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatSafechat

    @property
    def chat_model_params(self) -> dict[str, object]:
        return {"chat": self.chat, "model": "small"}


class TestIntegration(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def _wrapper(self, chat: ChatClientWrapper) -> None:
        self.chat = chat

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatSafechat

    @property
    def chat_model_params(self) -> dict[str, object]:
        return {"chat": self.chat, "model": "small"}

    @property
    def supports_image_inputs(self) -> bool:
        return False  # the test fetches its image from the internet

    @property
    def supports_image_tool_message(self) -> bool:
        return False  # so does this one

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "another"


@tool
def capital(country: str) -> str:
    """The capital of a country."""
    return "Ankara"


@pytest.fixture
def llm(chat: ChatClientWrapper) -> ChatSafechat:
    return ChatSafechat(chat=chat)


def test_a_chain_takes_the_model_and_its_answer_says_where_it_came_from(llm: ChatSafechat) -> None:
    answer = (ChatPromptTemplate.from_template("{question}") | llm).invoke({"question": "Merhaba"})
    assert answer.text == ANSWER
    assert answer.response_metadata["request_id"] == REQUEST_ID
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_token_details"] == {"reasoning": 3}


def test_its_own_settings_and_those_of_a_call_go_to_the_api(
    chat: ChatClientWrapper, served: SmallModel
) -> None:
    llm = ChatSafechat(chat=chat, model="another", temperature=0.5, stop=["x"], params={"seed": 7})
    llm.invoke("Merhaba", temperature=0.25)
    assert (
        served.requests[0] | {"model": "another", "temperature": 0.25, "stop": ["x"], "seed": 7}
        == (served.requests[0])
    )


def test_an_error_is_the_wrappers_own_and_one_request(llm: ChatSafechat, served: SmallModel) -> None:
    served.script.append(503)
    with pytest.raises(ServerError):
        llm.invoke("Merhaba")
    assert len(served.requests) == 1


async def test_a_task_that_is_cancelled_cancels_the_call() -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Hanging:
        async def create(self, **_: object) -> object:
            loop.call_soon_threadsafe(began.set)
            try:
                return await asyncio.Event().wait()
            finally:
                loop.call_soon_threadsafe(cancelled.set)

        @property
        def chat(self) -> object:
            return self

        completions = chat

    async with ChatClientWrapper(Hanging()) as chat:
        task = asyncio.create_task(ChatSafechat(chat=chat).ainvoke("Merhaba"))
        await began.wait()
        task.cancel()
        await asyncio.wait_for(cancelled.wait(), 10)


def test_a_stream_that_is_left_ends_its_call() -> None:
    ended: list[bool] = []

    class Endless:
        async def create(self, **_: object) -> object:
            async def chunks() -> AsyncIterator[object]:
                try:
                    while True:
                        yield {"choices": [{"delta": {"content": "ha "}}]}
                        await asyncio.sleep(0)
                finally:
                    ended.append(True)

            return chunks()

        @property
        def chat(self) -> object:
            return self

        completions = chat

    with ChatClientWrapper(Endless()) as chat:
        stream = ChatSafechat(chat=chat).stream("Merhaba")
        assert next(stream).text == "ha "
        stream.close()
        assert ended == [True]


def test_a_streams_pieces_are_the_answer_and_the_last_has_the_usage(llm: ChatSafechat) -> None:
    whole = AIMessageChunk(content="")
    for chunk in llm.stream("Merhaba"):
        whole += chunk
    assert whole.text == ANSWER
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["total_tokens"] == 14
    assert whole.response_metadata["finish_reason"] == "stop"


def test_an_answer_of_any_form_goes_back_as_the_api_takes_it() -> None:
    blocks = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "a"}]
    call = {"name": "capital", "args": {"country": "Türkiye"}, "id": "1"}
    answer = AIMessage(content=blocks, tool_calls=[call])
    arguments = '{"country": "Türkiye"}'
    assert request_messages([answer]) == [
        {
            "role": "assistant",
            "content": "a",
            "tool_calls": [
                {"type": "function", "id": "1", "function": {"name": "capital", "arguments": arguments}}
            ],
        }
    ]


def test_a_call_whose_arguments_are_no_json_is_kept_and_goes_back() -> None:
    broken = {"id": "1", "type": "function", "function": {"name": "capital", "arguments": '{"country": '}}
    message = message_of(ChatReply(text="", model="small", tool_calls=(broken,)))
    assert message.tool_calls == []
    assert [call["args"] for call in message.invalid_tool_calls] == ['{"country": ']
    assert request_messages([message])[0]["tool_calls"] == [broken]


def test_what_the_model_thought_is_beside_its_answer() -> None:
    reply = ChatReply(text="4", model="small", reasoning="2 and 2")
    with ChatClientWrapper(ScriptedClient(reply)) as chat:
        assert ChatSafechat(chat=chat).invoke("2 + 2").additional_kwargs == {"reasoning_content": "2 and 2"}


@pytest.mark.parametrize("readme", ["README.md", "README.tr.md"])
def test_the_lines_in_the_readme_run(
    readme: str, chat: ChatClientWrapper, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"^```py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    exec(
        "\n".join(line for line in lines if " ChatSafechat" in line or "(ChatSafechat(" in line),
        {"chat": chat},
    )
    assert ANSWER in capsys.readouterr().out


def test_no_choice_of_a_tool_is_sent_where_there_is_none(chat: ChatClientWrapper, served: SmallModel) -> None:
    tool = {"name": "capital", "description": "The capital of a country.", "parameters": {"properties": {}}}
    ChatSafechat(chat=chat).bind_tools([tool], tool_choice=False).invoke("Merhaba")
    assert "tool_choice" not in served.requests[0]
