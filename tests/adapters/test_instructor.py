"""The drop-in under instructor."""

from __future__ import annotations

import instructor
import pytest
from pydantic import BaseModel

from safechat import ChatClientWrapper
from small_model import SmallModel


class City(BaseModel):
    """A city."""

    name: str
    people: int


MERHABA = [{"role": "user", "content": "'Ankara'"}]


def test_it_gives_the_model_that_was_asked_for(chat: ChatClientWrapper) -> None:
    client = instructor.from_openai(chat.openai())
    answer = client.chat.completions.create(model="small", messages=MERHABA, response_model=City)
    assert answer.model_dump() == {"name": "Ankara", "people": 3}  # of a subclass of City


async def test_so_it_does_in_an_event_loop(chat: ChatClientWrapper) -> None:
    client = instructor.from_openai(chat.async_openai())
    answer = await client.chat.completions.create(model="small", messages=MERHABA, response_model=City)
    assert answer.model_dump() == {"name": "Ankara", "people": 3}  # of a subclass of City


def test_an_error_is_one_call(chat: ChatClientWrapper, served: SmallModel) -> None:
    served.script.extend([503] * 3)
    client = instructor.from_openai(chat.openai())
    with pytest.raises(Exception, match="as the test wants it"):
        client.chat.completions.create(model="small", messages=MERHABA, response_model=City, max_retries=0)
    assert len(served.requests) == 1
