"""`safechat doctor`: is everything there that a call needs? Each link is tried, in order.

It asks for nothing that costs money (a login counts, where a secret_id has a
number of uses). What it says holds no secret. Not here: the
screen (cli.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass

from safechat.call.clients import new_client
from safechat.call.layer import OpenAICall
from safechat.client.wrapper import DEFAULT_MODEL
from safechat.errors import ChatError, KeyUnavailable, RequestRejected
from safechat.keys.env import EnvKeys
from safechat.keys.layer import Keyed
from safechat.keys.source import KeySource
from safechat.keys.vault.keys import VaultKeys
from safechat.messages import ChatReply, ChatRequest
from safechat.runtime.threads import in_thread
from safechat.settings import Settings, read_settings

_SECONDS = 10.0  # for the list of models


@dataclass(frozen=True, slots=True)
class Link:
    """One thing that was tried. `ok` is None where it could not be told; `todo` says what to do."""

    name: str
    ok: bool | None
    said: str
    todo: str = ""


async def examine(env_file: str | None = ".env") -> AsyncIterator[Link]:
    """The links, as they are tried; the last one that is not ok ends it."""
    try:
        settings = read_settings(env_file)
    except ValueError as error:
        yield Link("settings", False, str(error), "correct these variables, or the .env file")
        return
    yield Link("settings", True, f"the API is {settings.base_url or 'https://api.openai.com/v1'}")
    keys: KeySource
    if settings.vault_address is None:
        keys = EnvKeys(env_file)
        links = _environment(keys)
    else:
        try:
            keys = VaultKeys.from_env(env_file=env_file)
        except ValueError as error:
            todo = "set what is missing; or unset VAULT_ADDR to take the key from OPENAI_API_KEY"
            yield Link("Vault's settings", False, str(error), todo)
            return
        links = _vault(keys)
    async for link in links:
        yield link
        if not link.ok:
            return
    try:
        async for link in _api(settings, keys):
            yield link
    finally:
        if isinstance(keys, VaultKeys):
            await keys.aclose()


async def _environment(keys: EnvKeys) -> AsyncIterator[Link]:
    try:
        await keys.get()
    except KeyUnavailable as error:
        yield Link("key", False, str(error), "or keep it in Vault: set VAULT_ADDR and what belongs to it")
        return
    yield Link("key", True, "OPENAI_API_KEY is set; a key in Vault can be rotated without a restart")


async def _vault(keys: VaultKeys) -> AsyncIterator[Link]:
    name, todo = "Vault", "pip install 'safechat[vault]'"
    try:
        with closing(keys.links()) as steps:
            for name, step in steps:
                said, todo = _VAULT_LINKS[name]
                await in_thread(step)
                yield Link(name, True, said)
    except KeyUnavailable as error:
        yield Link(name, False, str(error), todo)
        return
    if name == "wrapped secret_id":
        said = "not tried: that would use up the wrapped secret_id, which is the program's own"
        yield Link("login", None, said, "start the program, or try with a secret_id that is not wrapped")


async def _api(settings: Settings, keys: KeySource) -> AsyncIterator[Link]:
    client = new_client(
        base_url=settings.base_url, organization=settings.organization, project=settings.project
    )
    call = OpenAICall(client, keyed=True)
    listed: list[str] = []

    async def models(_: ChatRequest) -> ChatReply:
        listed.extend(await call.models(_SECONDS))
        return ChatReply("", "")

    try:
        await Keyed(models, keys)(ChatRequest((), "models"))
    except RequestRejected as error:
        said = f"the key cannot be tried: the API lists no models ({error})"
        yield Link("API", None, said, "is OPENAI_BASE_URL right? It usually ends with /v1")
        return
    except ChatError as error:
        yield Link("API", False, str(error), _ADVICE.get(error.kind, "try again; is OPENAI_BASE_URL right?"))
        return
    finally:
        await call.aclose()
        await client.close()
    yield Link("API", True, "the key is accepted")
    wanted = [settings.model or DEFAULT_MODEL, *settings.fallback_models()]
    for model in wanted:
        there = model in listed
        todo = "" if there else "set SAFECHAT_MODEL, or SAFECHAT_FALLBACKS, to one that is listed"
        yield Link("model", there, f"{model} is {'' if there else 'not '}listed", todo)


# What each link of Vault means when it holds, and what to do when it does not.
_VAULT_LINKS = {
    "Vault": ("it answers", "is VAULT_ADDR right, and VAULT_CACERT? is the server up?"),
    "unsealed": ("it is not sealed", "an operator must unseal it: vault operator unseal"),
    "wrapped secret_id": ("it was not opened yet", "ask for a new one, and find out who opened it"),
    "login": ("the role is let in", "are VAULT_ROLE_ID and the secret_id those of the role?"),
    "path": ("the role may read it", "is SAFECHAT_KEY_PATH right? does the role's policy name it?"),
    "field": ("it holds a key", "set SAFECHAT_KEY_FIELD to a field that is there"),
}

_ADVICE = {
    "authentication_failed": "the key is wrong or revoked: put a new one where it is kept",
    "permission_denied": "the key is accepted, and may not do this: check its project and permissions",
    "connection_failed": "is OPENAI_BASE_URL right? does the network, or a proxy, let it through?",
    "timed_out": "is OPENAI_BASE_URL right? does the network, or a proxy, let it through?",
    "model_unavailable": "is OPENAI_BASE_URL right? It usually ends with /v1",
}
