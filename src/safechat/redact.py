"""Takes secrets out of text: the literal keys in use, and what looks like a key.

Not here: personal data in prompts and answers, which are not logged unless asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

REDACTED = "[redacted]"

_KEY_LIKE = re.compile(
    r"""
      \b(?:sk|rk|pk|sess)-[A-Za-z0-9_\-*.]{6,}      # OpenAI and those who copied its prefix
    | \b(?:hv[sbr]|s)\.[A-Za-z0-9_\-]{16,}          # Vault and OpenBao tokens
    | (?i:\bBearer)\s+[A-Za-z0-9._~+/\-]{6,}=*      # RFC 6750, section 2.1
    """,
    re.VERBOSE,
)

# Shorter than this, a "key" is a word that stands in ordinary text too ("test", "none").
_SHORTEST_SECRET = 6


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without `secrets` and without anything key-shaped."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, REDACTED)
    return _KEY_LIKE.sub(REDACTED, text)
