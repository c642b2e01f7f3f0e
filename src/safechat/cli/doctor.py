"""`safechat doctor`: is everything there that a call needs? Every link to the model is checked, in order.

It sends nothing that costs money, and uses nothing up: it logs in to Vault only when it is asked to, once,
which is one of a secret_id's uses, where these are counted. No result contains a secret. Not here: the screen
(main.py), the models (models.py), the network (network.py), where settings come from (origins.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from pydantic import SecretStr

from safechat.cli.models import configured_models, listed_models
from safechat.cli.network import (
    is_a_page,
    plain_http_words,
    proxy_words,
    shown_address,
    unreadable_addresses,
    with_version,
)
from safechat.cli.origins import origins, unknown_names
from safechat.client.wrapper import shared_limits
from safechat.errors import (
    AuthenticationFailed,
    ChatError,
    KeyUnavailable,
    MalformedReply,
    ModelUnavailable,
    RateLimited,
    RequestRejected,
)
from safechat.keys.env import EnvKeys
from safechat.keys.source import Key, KeySource
from safechat.keys.vault.keys import VaultKeys
from safechat.limits.group import answer_time
from safechat.limits.server import PATIENCE
from safechat.runtime.threads import in_thread
from safechat.settings import Settings, read_settings

_OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. `ok` is None where it is unknown, or good for a while only; `advice` says what
    to do about it."""

    name: str
    ok: bool | None
    result: str
    advice: str = ""


async def examine(
    env_file: str | None = ".env", *, login: bool = False, today: date | None = None
) -> AsyncIterator[Check]:
    """The checks, one after the other. The first one that fails is the last, but every model is checked.

    Without `login` a secret_id is not sent to Vault, and the API is asked without its key. `today`, from
    which the days until a shutdown are counted, is a day of UTC; None is this day.
    """
    try:
        settings = read_settings(env_file)
    except ValueError as error:
        yield Check("settings", False, str(error), "correct these variables, or the .env file")
        return
    for check in _check_settings(settings, env_file):
        yield check
        if check.ok is False:
            return
    keys: KeySource
    read: list[Key] = []
    if settings.vault_address is None:
        keys = EnvKeys(env_file)
        checks = _check_environment(keys)
    else:
        try:
            keys = VaultKeys.from_env(env_file=env_file)
        except ValueError as error:
            advice = "set what is missing; or unset VAULT_ADDR to take the key from OPENAI_API_KEY"
            yield Check("Vault's settings", False, str(error), advice)
            return
        if words := plain_http_words("VAULT_ADDR", settings.vault_address):
            yield Check("network", None, words, "use https")
        checks = _check_vault(keys, read, login=login)
    async for check in checks:
        yield check
        if check.ok is False:
            return
    async for check in _check_redis(settings):
        yield check
        if check.ok is False:
            return
    has_key = bool(read) or settings.vault_address is None
    if settings.vault_address is not None:  # to read the key again would be a second login
        keys = KnownKey(read[0] if read else _NO_KEY)
    async for check in _check_api(settings, keys, today, has_key=has_key):
        yield check


class KnownKey:
    """A source that gives one key."""

    def __init__(self, key: Key) -> None:
        self._key = key

    async def get(self, not_version: int | None = None) -> Key:
        return self._key


# Sent where the real one is not known: an API that takes it wants none.
_NO_KEY = Key(SecretStr("no-key-was-read"), 0)


def _check_settings(settings: Settings, env_file: str | None) -> Iterator[Check]:
    """Where they come from, and what an operator should know of them."""
    url = settings.base_url or _OPENAI
    yield Check("settings", True, f"the API is {shown_address(url)}; {origins(env_file) or 'nothing is set'}")
    for unknown, near in unknown_names(env_file):
        advice = f"did you mean {near}?" if near else "take it away"
        yield Check("settings", None, f"{unknown} is not a setting of safechat", advice)
    for words in unreadable_addresses(settings.base_url):
        yield Check("network", False, words, "correct it, or take it away")
        return
    if words := plain_http_words("OPENAI_BASE_URL", settings.base_url):
        yield Check("network", None, words, "use https")
    if words := proxy_words(url):
        vault = "; Vault is asked directly" if settings.vault_address is not None else ""
        yield Check("network", True, words + vault)


async def _check_environment(keys: EnvKeys) -> AsyncIterator[Check]:
    try:
        await keys.get()
    except KeyUnavailable as error:
        yield Check(
            "key", False, str(error), "or keep it in Vault: set VAULT_ADDR and the other VAULT_* settings"
        )
        return
    yield Check("key", True, "OPENAI_API_KEY is set; a key in Vault can be rotated without a restart")


async def _check_vault(keys: VaultKeys, read: list[Key], *, login: bool) -> AsyncIterator[Check]:
    """The checks of Vault; the key goes into `read`."""
    name, advice = "Vault", "pip install 'safechat[vault]'"
    try:
        with closing(keys.steps()) as steps:
            for name, step in steps:
                if name == "login" and not login:
                    result = "not tried: it would be one of the secret_id's uses, which may be counted"
                    yield Check(name, None, result, "safechat doctor --login tries it, and reads the key")
                    return
                result, advice = _VAULT_STEPS[name]
                value = await in_thread(step)
                if isinstance(value, Key):
                    read.append(value)
                yield Check(name, True, result)
    except KeyUnavailable as error:
        yield Check(name, False, str(error), advice)
        return
    if name == "wrapped secret_id":
        result = "not tried: that would use up the wrapped secret_id, which the program needs"
        yield Check("login", None, result, "start the program, or try with a secret_id that is not wrapped")


async def _check_redis(settings: Settings) -> AsyncIterator[Check]:
    """Only settings that are wrong are a failure: without Redis each process keeps to its share."""
    try:
        limits = shared_limits(settings)
    except (ValueError, ModuleNotFoundError) as error:
        yield Check("Redis", False, str(error), "correct SAFECHAT_REDIS_URL, or unset it to share no limits")
        return
    if limits is None:
        return
    try:
        seconds = await answer_time(limits)
    except Exception as error:
        result = f"it does not answer, so no limits are shared ({str(error) or type(error).__name__})"
        yield Check("Redis", None, result, "is SAFECHAT_REDIS_URL right? is the server up?")
        return
    answers = f"it answers a new connection in {seconds * 1000:.0f} ms"
    if seconds <= PATIENCE:
        yield Check("Redis", True, f"{answers}, and shares the limits of {limits.name}")
    else:
        result = f"{answers}: after {PATIENCE * 1000:.0f} ms it counts as down, and no limits are shared"
        yield Check("Redis", None, result, "use one that is nearer")


async def _check_api(
    settings: Settings, keys: KeySource, today: date | None, *, has_key: bool
) -> AsyncIterator[Check]:
    try:
        listed = await listed_models(settings, keys)
    except AuthenticationFailed as error:
        yield _failed_check(error) if has_key else Check("API", True, "it answers, and wants a key")
        return
    except ChatError as error:
        yield await _missing_version(settings, keys, error) or _failed_check(error)
        return
    yield Check("API", True, "the key is accepted" if has_key else "it answers, also without a key")
    for model in configured_models(settings, listed, today):
        yield Check("model", model.ok, model.result, model.advice)


async def _missing_version(settings: Settings, keys: KeySource, error: ChatError) -> Check | None:
    """The check for an address that answers where /v1 is put behind it; None where that is not it."""
    url = settings.base_url
    if url is None or not isinstance(error, _WRONG_PLACE) or (longer := with_version(url)) is None:
        return None
    try:
        await listed_models(settings.model_copy(update={"base_url": longer}), keys)
    except AuthenticationFailed:
        pass  # the API is there
    except ChatError:
        return None
    shown = shown_address(longer)
    return Check(
        "API", False, f"{shown_address(url)} is not the API, but {shown} is", f"set OPENAI_BASE_URL={shown}"
    )


def _failed_check(error: ChatError) -> Check:
    """What an error of the API means here."""
    if is_a_page(error) and error.status != 404:
        advice = (
            "a proxy, or the login page of a network (a captive portal), answers in place of the API: log in "
            "there with a browser; or OPENAI_BASE_URL is that of a website"
        )
        return Check("API", False, f"a page in HTML came, and no JSON ({error})", advice)
    if isinstance(error, RequestRejected):
        result = f"the key cannot be tried: the API lists no models ({error})"
        return Check("API", None, result, "is OPENAI_BASE_URL right? It usually ends with /v1")
    if isinstance(error, RateLimited):
        wait = f" in {error.retry_after:.0f} s" if error.retry_after else " in a minute"
        result = f"too many requests for now ({error})"
        return Check("API", None, result, f"try again{wait}; who else uses this key?")
    return Check("API", False, str(error), _ADVICE.get(error.kind, "try again; is OPENAI_BASE_URL right?"))


# For every step of VaultKeys.steps: the result if it succeeds, and the advice if it fails.
_VAULT_STEPS = {
    "Vault": ("it answers", "is VAULT_ADDR right, and VAULT_CACERT? is the server up?"),
    "unsealed": ("it is not sealed", "an operator must unseal it: vault operator unseal"),
    "wrapped secret_id": ("it was not unwrapped yet", "ask for a new one, and find out who unwrapped it"),
    "login": ("the role is let in", "are VAULT_ROLE_ID and the secret_id those of the role?"),
    "path": ("the role may read it", "is SAFECHAT_KEY_PATH right? does the role's policy name it?"),
    "field": ("it holds a key", "set SAFECHAT_KEY_FIELD to a field that is there"),
}

# What comes from an address that is not the API's.
_WRONG_PLACE = (MalformedReply, ModelUnavailable, RequestRejected)

# What to do about an error of the API, by its kind.
_ADVICE = {
    "quota_exhausted": "no credit is left, and waiting does not help: see the account's billing and limits",
    "malformed_reply": "is OPENAI_BASE_URL that of an OpenAI-compatible API? It usually ends with /v1",
    "authentication_failed": "the key is wrong or revoked: put a new one where it is kept",
    "permission_denied": "the key is accepted, and may not do this: check its project and permissions",
    "connection_failed": "is OPENAI_BASE_URL right? does the network, or a proxy, let it through?",
    "timed_out": "is OPENAI_BASE_URL right? does the network, or a proxy, let it through?",
    "model_unavailable": "is OPENAI_BASE_URL right? It usually ends with /v1",
}
