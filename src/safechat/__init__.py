"""A production-safe client for OpenAI-compatible chat APIs. Start at ChatClientWrapper."""

import logging

from safechat.client import ChatClientWrapper
from safechat.env_keys import EnvKeys
from safechat.errors import (
    AuthenticationFailed,
    BadReply,
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
from safechat.fallback import BreakerPolicy
from safechat.keys import Key, KeySource
from safechat.limits import RateLimits
from safechat.log import configure_logging, log_context
from safechat.messages import ChatReply, ChatRequest, Handler, Usage
from safechat.queue import ChatQueue
from safechat.retry import RetryPolicy
from safechat.stream import AsyncChatStream, ChatStream
from safechat.vault_auth import AppRole, Token
from safechat.vault_keys import VaultKeys
from safechat.workers import QueueStats

# A library leaves logging to the application: https://docs.python.org/3/howto/logging.html#library-config
logging.getLogger("safechat").addHandler(logging.NullHandler())

__all__ = [
    "AppRole",
    "AsyncChatStream",
    "AuthenticationFailed",
    "BadReply",
    "BreakerPolicy",
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
    "EmptyReply",
    "EnvKeys",
    "Handler",
    "Key",
    "KeySource",
    "KeyUnavailable",
    "MalformedReply",
    "ModelUnavailable",
    "PermissionDenied",
    "QueueFull",
    "QueueStats",
    "QuotaExhausted",
    "RateLimited",
    "RateLimits",
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
