"""A production-safe client for OpenAI-compatible chat APIs. Start at ChatClientWrapper."""

import logging

from safechat.breaker import BreakerPolicy
from safechat.budget.budget import Budget
from safechat.cache import DiskCache
from safechat.client.queue import ChatQueue
from safechat.client.stream import AsyncChatStream, ChatStream
from safechat.client.workers import QueueStats
from safechat.client.wrapper import ChatClientWrapper
from safechat.errors import (
    AuthenticationFailed,
    BadReply,
    BudgetExceeded,
    ChatError,
    CircuitOpen,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    EmptyReply,
    KeyUnavailable,
    MalformedReply,
    ModelUnavailable,
    PermissionDenied,
    PriceUnknown,
    QueueFull,
    QuotaExhausted,
    RateLimited,
    RefusedReply,
    RequestRejected,
    RequestTimedOut,
    RequestTooLarge,
    SecretNotFound,
    ServerError,
    TruncatedReply,
    VaultAuthFailed,
    VaultSealed,
    VaultUnreachable,
)
from safechat.keys.env import EnvKeys
from safechat.keys.source import Key, KeySource
from safechat.keys.vault.auth import AppRole, Token
from safechat.keys.vault.keys import VaultKeys
from safechat.limits.group import RedisLimits
from safechat.limits.quota import RateLimits
from safechat.log.events import log_context
from safechat.log.file import configure_logging
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.retry import RetryPolicy
from safechat.usage import Usage

# A library leaves logging to the application: https://docs.python.org/3/howto/logging.html#library-config
logging.getLogger("safechat").addHandler(logging.NullHandler())

__all__ = [
    "AppRole",
    "AsyncChatStream",
    "AuthenticationFailed",
    "BadReply",
    "BreakerPolicy",
    "Budget",
    "BudgetExceeded",
    "ChatClientWrapper",
    "ChatError",
    "ChatQueue",
    "ChatReply",
    "ChatRequest",
    "ChatStream",
    "CircuitOpen",
    "ConnectionFailed",
    "ContentFiltered",
    "ContextTooLong",
    "DeadlineExceeded",
    "DiskCache",
    "EmptyReply",
    "EnvKeys",
    "Handler",
    "Key",
    "KeySource",
    "KeyUnavailable",
    "MalformedReply",
    "ModelUnavailable",
    "PermissionDenied",
    "PriceUnknown",
    "QueueFull",
    "QueueStats",
    "QuotaExhausted",
    "RateLimited",
    "RateLimits",
    "RedisLimits",
    "RefusedReply",
    "RequestRejected",
    "RequestTimedOut",
    "RequestTooLarge",
    "RetryPolicy",
    "SecretNotFound",
    "ServerError",
    "Token",
    "TruncatedReply",
    "Usage",
    "VaultAuthFailed",
    "VaultKeys",
    "VaultSealed",
    "VaultUnreachable",
    "configure_logging",
    "log_context",
]
