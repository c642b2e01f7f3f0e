"""`safechat doctor`: is everything there that a call needs? Every link to the model is checked, in order.

It sends nothing that costs money. It logs in once, which uses up one of a secret_id's uses, where
these are counted. No result contains a secret. Not here: the screen (main.py), the models (models.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from safechat.cli.models import configured_models, listed_models
from safechat.cli.origins import origins, unknown_names
from safechat.errors import ChatError, KeyUnavailable, RequestRejected
from safechat.keys.env import EnvKeys
from safechat.keys.source import Key, KeySource
from safechat.keys.vault.keys import VaultKeys
from safechat.runtime.threads import in_thread
from safechat.settings import Settings, read_settings


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. `ok` is None where it is unknown, or good for a while only; `advice` says what
    to do about it."""

    name: str
    ok: bool | None
    result: str
    advice: str = ""


async def examine(env_file: str | None = ".env", *, today: date | None = None) -> AsyncIterator[Check]:
    """The checks, one after the other. The first one that fails is the last, but every model is checked.

    `today`, from which the days until a shutdown are counted, is a day of UTC; None is this day.
    """
    try:
        settings = read_settings(env_file)
    except ValueError as error:
        yield Check("settings", False, str(error), "correct these variables, or the .env file")
        return
    api = f"the API is {settings.base_url or 'https://api.openai.com/v1'}"
    yield Check("settings", True, "; ".join(filter(None, (api, origins(env_file)))))
    for unknown, near in unknown_names(env_file):
        advice = f"did you mean {near}?" if near else "take it away"
        yield Check("settings", None, f"{unknown} is not a setting of safechat", advice)
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
        checks = _check_vault(keys, read)
    async for check in checks:
        yield check
        if not check.ok:
            return
    # The key that was read just now: to read it again would be a second login.
    async for check in _check_api(settings, ReadKey(read[0]) if read else keys, today):
        yield check


class ReadKey:
    """A source that gives the one key that was read."""

    def __init__(self, key: Key) -> None:
        self._key = key

    async def get(self, not_version: int | None = None) -> Key:
        return self._key


async def _check_environment(keys: EnvKeys) -> AsyncIterator[Check]:
    try:
        await keys.get()
    except KeyUnavailable as error:
        yield Check(
            "key", False, str(error), "or keep it in Vault: set VAULT_ADDR and the other VAULT_* settings"
        )
        return
    yield Check("key", True, "OPENAI_API_KEY is set; a key in Vault can be rotated without a restart")


async def _check_vault(keys: VaultKeys, read: list[Key]) -> AsyncIterator[Check]:
    """The checks of Vault; the key goes into `read`."""
    name, advice = "Vault", "pip install 'safechat[vault]'"
    try:
        with closing(keys.steps()) as steps:
            for name, step in steps:
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


async def _check_api(settings: Settings, keys: KeySource, today: date | None) -> AsyncIterator[Check]:
    try:
        listed = await listed_models(settings, keys)
    except RequestRejected as error:
        result = f"the key cannot be tried: the API lists no models ({error})"
        yield Check("API", None, result, "is OPENAI_BASE_URL right? It usually ends with /v1")
        return
    except ChatError as error:
        yield Check("API", False, str(error), _ADVICE.get(error.kind, "try again; is OPENAI_BASE_URL right?"))
        return
    yield Check("API", True, "the key is accepted")
    for model in configured_models(settings, listed, today):
        yield Check("model", model.ok, model.result, model.advice)


# For every step of VaultKeys.steps: the result if it succeeds, and the advice if it fails.
_VAULT_STEPS = {
    "Vault": ("it answers", "is VAULT_ADDR right, and VAULT_CACERT? is the server up?"),
    "unsealed": ("it is not sealed", "an operator must unseal it: vault operator unseal"),
    "wrapped secret_id": ("it was not unwrapped yet", "ask for a new one, and find out who unwrapped it"),
    "login": ("the role is let in", "are VAULT_ROLE_ID and the secret_id those of the role?"),
    "path": ("the role may read it", "is SAFECHAT_KEY_PATH right? does the role's policy name it?"),
    "field": ("it holds a key", "set SAFECHAT_KEY_FIELD to a field that is there"),
}

# What to do about an error of the API, by its kind.
_ADVICE = {
    "authentication_failed": "the key is wrong or revoked: put a new one where it is kept",
    "permission_denied": "the key is accepted, and may not do this: check its project and permissions",
    "connection_failed": "is OPENAI_BASE_URL right? does the network, or a proxy, let it through?",
    "timed_out": "is OPENAI_BASE_URL right? does the network, or a proxy, let it through?",
    "model_unavailable": "is OPENAI_BASE_URL right? It usually ends with /v1",
}
