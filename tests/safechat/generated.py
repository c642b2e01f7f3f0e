"""Keys, and the text around them, for the property-based tests that try to get one through."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from safechat import redact as redaction
from safechat.redact import is_ordinary

# CI is set where there is time for many examples: by .ci/run, and on GitHub and its like.
many = settings(
    max_examples=5000 if "CI" in os.environ else 300,
    derandomize=False,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
fuzz = settings(many, max_examples=10_000 if "CI" in os.environ else 300)  # the one of redact
fewer = settings(many, max_examples=many.max_examples // 5)  # where one costs several milliseconds


def forget_keys() -> None:
    """Begin an example without the keys of those before it: their pattern is compiled anew for each key."""
    redaction._remembered.clear()
    redaction._literals = None


alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789"
bodies = st.text(alphabet, min_size=20, max_size=40)
shaped = st.builds(
    lambda head, body: head + body,
    st.sampled_from(
        [
            "sk-",
            "sk-proj-",
            "hvs.",
            "hvb.",
            "Bearer ",
            "gsk_",
            "hf_",
            "xai-",
            "pplx-",
            "nvapi-",
            "ghp_",
            "xoxb-",
        ]
    ),
    bodies,
)
literal = st.text(alphabet + "-_./+ =#\"'\\ğİ", min_size=8, max_size=40).filter(
    lambda text: text.strip() == text and not is_ordinary(text)
)
around = st.text("abc \n\t\"'\\{}:,=ğ•", max_size=10)
