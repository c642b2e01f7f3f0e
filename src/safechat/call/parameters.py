"""Parameters that a model does not take: learned from the API's refusals, once for each model.

Reasoning models answer 400 to a `temperature`, and to `max_tokens` under its old
name. Which models these are changes with every release, so there is no list
here: the API's own refusal counts. Never dropped: parameters that change what is
asked for (tools, response_format, stop); the answer would be to another question. Nor is
`reasoning_effort`: how long a model thinks is the caller's choice.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from safechat.errors import ChatError, RequestRejected
from safechat.log.events import event

_REFUSALS = frozenset(
    {
        "unsupported_value",
        "unsupported_parameter",
        "unknown_parameter",  # Azure: github.com/jamesrochabrun/SwiftOpenAI/issues/67
    }
)
# For servers that give no code: the words, and the parameter's name in them.
_REFUSING_WORDS = (
    # Azure, older versions, and OpenAI: github.com/langchain-ai/langchain/pull/23552
    re.compile(r"unrecognized request arguments? supplied: (\w+)", re.IGNORECASE),
    # Databricks: github.com/continuedev/continue/issues/12936
    re.compile(r"unknown field \W*(\w+)", re.IGNORECASE),
    # Mistral's 422, and that of others on FastAPI: github.com/avante-corp/avante.nvim/issues/2347
    re.compile(r"\bbody\.(\w+)[\w.]*: extra inputs are not permitted", re.IGNORECASE),
)
_OPTIONAL = frozenset(
    {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "seed", "stream_options"}
)
_RENAMED = {"max_tokens": "max_completion_tokens"}


class ParameterMemory:
    """The parameters that each model has refused so far."""

    def __init__(self) -> None:
        self._refused: dict[str, set[str]] = {}

    def adapted(self, model: str, params: Mapping[str, object]) -> dict[str, object]:
        """`params` without what `model` has refused; a renamed one under its new name."""
        refused = self._refused.get(model)
        if not refused:
            return dict(params)
        kept = {name: value for name, value in params.items() if name not in refused}
        for old, new in _RENAMED.items():
            if old in refused and old in params:
                kept.setdefault(new, params[old])
        return kept

    def learn(self, model: str, params: Mapping[str, object], error: ChatError) -> bool:
        """Whether `error` refuses one of `params` that the call can do without: then it is remembered."""
        if not isinstance(error, RequestRejected) or (name := _refused(error)) not in params:
            return False
        if name not in _OPTIONAL and name not in _RENAMED:
            return False
        refused = self._refused.setdefault(model, set())
        if name not in refused:
            refused.add(name)
            renamed = _RENAMED.get(name)
            event(logging.WARNING, "chat.parameter_dropped", model=model, parameter=name, renamed_to=renamed)
        return True


def _refused(error: ChatError) -> str | None:
    """The parameter that the API says it does not take."""
    if error.code in _REFUSALS:
        return error.param
    words = (pattern.search(str(error)) for pattern in _REFUSING_WORDS)
    return next((found[1] for found in words if found), None)
