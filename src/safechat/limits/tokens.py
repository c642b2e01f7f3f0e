"""How many tokens a request will cost, before the API has counted them, and what a failed one may have cost.

The estimate is a line through what the API has counted before, for each model: tokens for each character of
text, and a constant share, such as a system prompt that the server adds. No tokenizer, no download. It
starts cautious: Turkish is nearer to 2.5 characters a token than to the 4 of English. Only requests that are
all text teach the line: an image costs a thousand tokens and has no character.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from safechat.errors import ChatError, RateLimited
from safechat.messages import ChatReply, ChatRequest
from safechat.usage import Usage

_FIRST_PER_CHARACTER = 0.5
_LEAST_PER_CHARACTER, _MOST_PER_CHARACTER = 0.1, 1.2  # what any language and any tokenizer may come to
_TELLING = 200  # characters; requests shorter, or more alike, than this leave the ratio nearly as it was

# Role and separators: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
_PER_MESSAGE = 4
_PER_PART = 800  # an image, or another part that is no text, of middling size
_MEMORY = 0.98  # what was learned counts by this much less after each reply: the last 50 or so count

_BUDGETS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_SENT_TOO = (
    "tools",
    "functions",
    "response_format",
    "instructions",
    "text",
)  # parameters that are part of the prompt


class Size(NamedTuple):
    """A request's characters of text, the tokens that frame them, and the parts that are no text."""

    characters: int
    frame: int
    parts: int


@dataclass(slots=True)
class Fit:
    """tokens = constant + ratio × characters, by least squares, with a ratio in believable bounds."""

    weight: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def learn(self, characters: float, tokens: float) -> None:
        """One more point, and the older ones count a little less."""
        self.weight = self.weight * _MEMORY + 1
        self.x = self.x * _MEMORY + characters
        self.y = self.y * _MEMORY + tokens
        self.xx = self.xx * _MEMORY + characters * characters
        self.xy = self.xy * _MEMORY + characters * tokens

    def tokens(self, characters: float) -> float:
        """The tokens of this number of characters, by what was learned."""
        if not self.weight:
            return _FIRST_PER_CHARACTER * characters
        ratio = _ratio(self.xy - self.x * self.y / self.weight, self.xx - self.x * self.x / self.weight)
        constant = (self.y - ratio * self.x) / self.weight
        if constant < 0:
            ratio, constant = _ratio(self.xy, self.xx), 0.0
        return constant + ratio * characters


def _ratio(rise: float, spread: float) -> float:
    """The slope `rise / spread`, drawn to the first guess where the spread is too small to tell."""
    slope = (rise + _FIRST_PER_CHARACTER * _TELLING**2) / (spread + _TELLING**2)
    return min(max(slope, _LEAST_PER_CHARACTER), _MOST_PER_CHARACTER)


@dataclass(slots=True)
class Learned:
    """What the replies of one model have taught."""

    prompt: Fit = field(default_factory=Fit)
    replies: float = 0.0
    completion: float = 0.0


@dataclass(slots=True)
class TokenEstimator:
    """Estimates the tokens of a request, prompt and answer together."""

    _models: dict[str, Learned] = field(default_factory=dict)

    def estimate(self, request: ChatRequest) -> int:
        """Tokens. The answer counts as its budget (`max_completion_tokens`), or as the model's usual one."""
        learned = self._models.get(request.model) or Learned()
        size = size_of(request)
        prompt = learned.prompt.tokens(size.characters) + size.frame + size.parts * _PER_PART
        budget = answer_budget(request)
        usual = learned.completion / learned.replies if learned.replies else 0
        return max(1, round(prompt + (usual if budget is None else budget)))

    def text(self, model: str, text: str) -> int:
        """Tokens of a text as a part of a prompt of this model; the share that every prompt has aside."""
        prompt = (self._models.get(model) or Learned()).prompt
        return math.ceil(prompt.tokens(len(text)) - prompt.tokens(0))

    def learn(self, request: ChatRequest, reply: ChatReply) -> None:
        """Take the reply's usage into account; without one, nothing is learned."""
        if reply.usage is None or not reply.usage.prompt_tokens:
            return
        learned = self._models.setdefault(request.model, Learned())
        learned.replies = learned.replies * _MEMORY + 1
        learned.completion = learned.completion * _MEMORY + reply.usage.completion_tokens
        size = size_of(request)
        if not size.parts:
            learned.prompt.learn(size.characters, max(0, reply.usage.prompt_tokens - size.frame))


def least_tokens(request: ChatRequest) -> int:
    """The fewest tokens that the request can cost, whatever the language and the tokenizer."""
    size = size_of(request)
    return round(size.characters * _LEAST_PER_CHARACTER + size.frame + (answer_budget(request) or 0))


def most_prompt_tokens(request: ChatRequest) -> int:
    """The most tokens that the prompt can have: a token is a byte at least. An image counts as one of
    middling size."""
    size = size_of(request, _bytes_of)
    return size.characters + size.frame + size.parts * _PER_PART


def _bytes_of(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def used_tokens(usage: Usage | None, reserved: float) -> float:
    """The tokens that the API counted; as many as were reserved where it counted none."""
    if usage is None:
        return reserved
    return usage.total_tokens or usage.prompt_tokens + usage.completion_tokens or reserved


def billed_tokens(error: ChatError, reserved: float, *, begun: bool = False) -> float:
    """The tokens that a failed call has used, as far as one can know. What was sent and was not refused may
    be billed; an answer that had `begun` was not refused, whatever broke it off."""
    refused = isinstance(error, RateLimited) or (error.status is not None and 400 <= error.status < 500)
    free = not error.sent or (refused and not begun)
    return used_tokens(error.usage, 0 if free else reserved)


def answer_budget(request: ChatRequest) -> int | None:
    """The most tokens that the answer may have, where the request says so."""
    for name in _BUDGETS:
        if isinstance(budget := request.params.get(name), int):
            return budget
    return None


def answers_of(request: ChatRequest) -> int:
    """How many answers the request wants."""
    several = request.params.get("n")
    return several if isinstance(several, int) else 1


def size_of(request: ChatRequest, length: Callable[[str], int] = len) -> Size:
    """How large the request is, before any model has counted it; `length` is that of a text."""
    characters, frame, parts = 0, 3, 0
    for message in request.messages:
        frame += _PER_MESSAGE
        content = message.get("content")
        if isinstance(content, str):
            characters += length(content)
        elif isinstance(content, list | tuple):
            for part in content:
                text = part.get("text") if isinstance(part, Mapping) else None
                if isinstance(text, str):
                    characters += length(text)
                else:
                    parts += 1
        if calls := message.get("tool_calls"):
            characters += length(str(calls))
    for name in _SENT_TOO:
        if name in request.params:
            characters += length(str(request.params[name]))
    return Size(characters, frame, parts)
