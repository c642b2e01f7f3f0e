"""What the tests of the adapters share. They need their framework, so .ci/adapters runs them, each file in an
environment of its own."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from safechat import ChatClientWrapper, RetryPolicy
from small_model import KEY, SmallModel, small_model


@pytest.fixture(scope="session")
def _running() -> Iterator[SmallModel]:
    with small_model() as served:
        yield served


@pytest.fixture
def served(_running: SmallModel) -> SmallModel:
    """The small model, as if nobody had asked it anything yet."""
    for seen in (_running.requests, _running.paths, _running.script):
        seen.clear()
    _running.hung_up.clear()
    return _running


@pytest.fixture
def chat(served: SmallModel) -> Iterator[ChatClientWrapper]:
    """A wrapper over it; one attempt for each call."""
    client = openai.OpenAI(api_key=KEY, base_url=served.base_url)
    with ChatClientWrapper(client, model="small", retry=RetryPolicy(attempts=1)) as chat:
        yield chat
