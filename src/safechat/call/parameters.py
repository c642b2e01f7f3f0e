"""Parameters that a model does not take: learned from the API's refusals, once for each model.

Reasoning models answer 400 to a `temperature`, and to `max_tokens` under its old
name. Which models these are changes with every release, so there is no list
here: the API's own refusal counts. Never dropped: parameters that change what is
asked for (tools, response_format, stop); the answer would be to another question.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from safechat.errors import ChatError, RequestRejected
from safechat.log.events import event

_REFUSALS = frozenset({"unsupported_value", "unsupported_parameter"})
_OPTIONAL = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "seed"})
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
        name = error.param
        if not isinstance(error, RequestRejected) or error.code not in _REFUSALS or name not in params:
            return False
        if name not in _OPTIONAL and name not in _RENAMED:
            return False
        refused = self._refused.setdefault(model, set())
        if name not in refused:
            refused.add(name)
            renamed = _RENAMED.get(name)
            event(logging.WARNING, "chat.parameter_dropped", model=model, parameter=name, renamed_to=renamed)
        return True
