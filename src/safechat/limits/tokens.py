"""How many tokens a request will cost, before the API has counted them.

From characters, by a ratio that is learned for each model from the usage in its
replies: no tokenizer, no download. It starts cautious: Turkish is nearer to 2.5
characters a token than to the 4 of English.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from safechat.messages import ChatReply, ChatRequest

_FIRST_TOKENS_PER_CHARACTER = 0.5
# Role and separators: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
_PER_MESSAGE = 4
_PER_PART = 800  # an image, or another part that is no text, of middling size
_MEMORY = 0.98  # what was learned counts by this much less after each reply: the last 50 or so count

_BUDGETS = ("max_completion_tokens", "max_tokens")
_SENT_TOO = ("tools", "functions", "response_format")  # parameters that are part of the prompt


@dataclass(slots=True)
class _Learned:
    characters: float = 0.0
    tokens: float = 0.0
    replies: float = 0.0
    completion: float = 0.0


@dataclass(slots=True)
class TokenEstimator:
    """Estimates the tokens of a request, prompt and answer together."""

    _models: dict[str, _Learned] = field(default_factory=dict)

    def estimate(self, request: ChatRequest) -> int:
        """Tokens. The answer counts as its budget (`max_completion_tokens`), or as the model's usual one."""
        learned = self._models.get(request.model)
        characters, overhead = _measured(request)
        ratio = _FIRST_TOKENS_PER_CHARACTER
        if learned is not None and learned.characters:
            ratio = learned.tokens / learned.characters
        return max(1, round(characters * ratio + overhead + self._answer(request, learned)))

    def learn(self, request: ChatRequest, reply: ChatReply) -> None:
        """Take the reply's usage into account; without one, nothing is learned."""
        if reply.usage is None or not reply.usage.prompt_tokens:
            return
        learned = self._models.setdefault(request.model, _Learned())
        characters, overhead = _measured(request)
        learned.characters = learned.characters * _MEMORY + characters
        learned.tokens = learned.tokens * _MEMORY + max(0, reply.usage.prompt_tokens - overhead)
        learned.replies = learned.replies * _MEMORY + 1
        learned.completion = learned.completion * _MEMORY + reply.usage.completion_tokens

    def _answer(self, request: ChatRequest, learned: _Learned | None) -> float:
        for name in _BUDGETS:
            budget = request.params.get(name)
            if isinstance(budget, int):
                return budget
        return learned.completion / learned.replies if learned is not None else 0


def _measured(request: ChatRequest) -> tuple[int, int]:
    """Characters of text, and the tokens that come on top of them."""
    characters, overhead = 0, 3
    for message in request.messages:
        overhead += _PER_MESSAGE
        content = message.get("content")
        if isinstance(content, str):
            characters += len(content)
        elif isinstance(content, list | tuple):
            for part in content:
                text = part.get("text") if isinstance(part, Mapping) else None
                if isinstance(text, str):
                    characters += len(text)
                else:
                    overhead += _PER_PART
        if calls := message.get("tool_calls"):
            characters += len(str(calls))
    for name in _SENT_TOO:
        if name in request.params:
            characters += len(str(request.params[name]))
    return characters, overhead
