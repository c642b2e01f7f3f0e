"""A test with a `kind` of client goes by the API that the kind is of."""

from __future__ import annotations

import pytest

from clients import RESPONSES_KINDS
from safechat import ChatClientWrapper


@pytest.fixture(autouse=True)
def _by_the_api_of_the_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    call = getattr(request.node, "callspec", None)
    if call is not None and call.params.get("kind") in RESPONSES_KINDS:
        defaults = ChatClientWrapper.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "api", "responses")
