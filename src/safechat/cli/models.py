"""The models that the settings name: whether the API lists them, and when they are shut down.

It costs nothing: GET /v1/models is the only request. Not here: the screen (screens.py), OpenAI's
recommendations (shutdowns.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from safechat.call.clients import new_client
from safechat.call.layer import OpenAICall
from safechat.client.wrapper import DEFAULT_MODEL
from safechat.keys.env import EnvKeys
from safechat.keys.layer import Keyed
from safechat.keys.source import KeySource
from safechat.keys.vault.keys import VaultKeys
from safechat.messages import ChatReply, ChatRequest
from safechat.runtime import clock
from safechat.settings import Settings, read_settings
from safechat.shutdowns import notice, replacement, shutdown_words

WARNING_DAYS = 90  # before a shutdown
FAILURE_DAYS = 14

_SECONDS = 10.0  # for the list of models


@dataclass(frozen=True, slots=True)
class ConfiguredModel:
    """A model that the settings name. `shutdown` is the API's date; None where it gives none."""

    name: str
    listed: bool
    shutdown: date | None
    today: date

    @property
    def days_left(self) -> int | None:
        """Days until the shutdown, below 0 after it; None without a date."""
        return (self.shutdown - self.today).days if self.shutdown else None

    @property
    def ok(self) -> bool | None:
        """False if it is not listed or has 14 days or less; None, a warning, if it has 90 days or less."""
        if not self.listed or (self.days_left is not None and self.days_left <= FAILURE_DAYS):
            return False
        return None if self.days_left is not None and self.days_left <= WARNING_DAYS else True

    @property
    def result(self) -> str:
        if not self.listed:
            known = notice(self.name, self.today)
            return f"{self.name} is not listed{f': {known}' if known else ''}"
        if self.shutdown is None:
            return f"{self.name} is listed"
        words = shutdown_words(self.name, self.shutdown, self.today)
        return f"{words} ({self.days_left} days left)" if self.shutdown > self.today else words

    @property
    def advice(self) -> str:
        """What to do about it; empty if nothing is to be done."""
        if self.ok:
            return ""
        other = replacement(self.name) or ("one that stays" if self.listed else "one that is listed")
        return f"set SAFECHAT_MODEL, or SAFECHAT_FALLBACKS, to {other}"

    def to_dict(self) -> dict[str, object]:
        """It as plain values, for JSON."""
        return {
            "model": self.name,
            "ok": self.ok,
            "listed": self.listed,
            "shutdown_date": str(self.shutdown) if self.shutdown else None,
            "days_left": self.days_left,
            "replacement": replacement(self.name),
        }


async def examine_models(env_file: str | None = ".env", today: date | None = None) -> list[ConfiguredModel]:
    """The configured models, at the API. Raises ChatError without its list, ValueError for wrong settings."""
    settings = read_settings(env_file)
    keys = EnvKeys(env_file) if settings.vault_address is None else VaultKeys.from_env(env_file=env_file)
    try:
        return configured_models(settings, await listed_models(settings, keys), today)
    finally:
        if isinstance(keys, VaultKeys):
            await keys.aclose()


def configured_models(
    settings: Settings, listed: Mapping[str, date | None], today: date | None = None
) -> list[ConfiguredModel]:
    """The model and its fallbacks, in their order. `today` is a day of UTC; None is this day."""
    names = dict.fromkeys((settings.model or DEFAULT_MODEL, *settings.fallback_models()))
    day = today or clock.today()
    return [ConfiguredModel(name, name in listed, listed.get(name), day) for name in names]


async def listed_models(settings: Settings, keys: KeySource) -> dict[str, date | None]:
    """The models that the API lists, with the day of their shutdown. Raises ChatError."""
    client = new_client(
        base_url=settings.base_url, organization=settings.organization, project=settings.project
    )
    call = OpenAICall(client, keyed=True)
    listed: dict[str, date | None] = {}

    async def models(_: ChatRequest) -> ChatReply:
        listed.update(await call.models(_SECONDS))
        return ChatReply("", "")

    try:
        await Keyed(models, keys)(ChatRequest((), "models"))
    finally:
        await call.aclose()
        await client.close()
    return listed
