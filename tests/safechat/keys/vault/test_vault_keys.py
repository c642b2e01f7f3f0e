"""VaultKeys against a real server: every way in, and everything that can be wrong."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import hvac
import pytest

from safechat import (
    AppRole,
    ChatError,
    Key,
    KeyUnavailable,
    SecretNotFound,
    Token,
    VaultAuthFailed,
    VaultKeys,
    VaultSealed,
    VaultUnreachable,
)
from servers import API_KEY, Secret, Server, front, furnish, root_client


async def got(keys: VaultKeys) -> Key:
    async with keys:
        return await keys.get()


def token_of(keys: VaultKeys) -> str:
    assert keys._login is not None
    return str(keys._login._vault.client.token)


def value(key: Key) -> str:
    return key.value.get_secret_value()


async def test_a_role_reads_its_key(secret: Secret) -> None:
    key = await got(secret.keys())
    assert (value(key), key.version) == (API_KEY, 1)


async def test_the_newest_version_counts(secret: Secret) -> None:
    secret.put(api_key="sk-newer-000000000")
    assert (await got(secret.keys())).version == 2


async def test_a_line_break_around_a_key_is_no_part_of_it(secret: Secret) -> None:
    secret.put(api_key=f"{API_KEY}\n")
    assert value(await got(secret.keys())) == API_KEY


async def test_field_and_mount_are_what_one_likes(secret: Secret) -> None:
    mount = f"kv-{secret.name}"
    secret.root.sys.enable_secrets_engine("kv", path=mount, options={"version": "2"})
    try:
        secret.root.secrets.kv.v2.create_or_update_secret("a/b", {"k": API_KEY}, mount_point=mount)
        secret.root.sys.create_or_update_policy(
            secret.name, f'path "{mount}/data/a/b" {{ capabilities = ["read"] }}'
        )
        assert value(await got(secret.keys(path="/a/b/", field="k", mount=f"{mount}/"))) == API_KEY
    finally:
        secret.root.sys.disable_secrets_engine(mount)


async def test_a_thousand_cold_gets_are_one_login_and_one_read(secret: Secret) -> None:
    with front(secret.server) as seen:
        async with secret.keys(seen.address) as keys:
            got = await asyncio.gather(*(keys.get() for _ in range(1000)))
        assert {value(key) for key in got} == {API_KEY}
        assert (seen.count("/login"), seen.count("/data/")) == (1, 1)


async def test_root_tokens_that_lie_about_are_never_used(
    secret: Secret, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = secret.server.root_token
    monkeypatch.setenv("VAULT_TOKEN", root)
    monkeypatch.setenv("BAO_TOKEN", root)
    (tmp_path / ".vault-token").write_text(root, encoding="utf-8")
    (tmp_path / ".bao-token").write_text(root, encoding="utf-8")
    assert Path.home() == tmp_path
    with front(secret.server) as seen:
        await got(secret.keys(seen.address))
        with pytest.raises(VaultAuthFailed):
            await got(secret.keys(seen.address, auth=AppRole(secret.role_id, "not-its-secret-id")))
        assert root not in str(seen.seen)
        tokens = {headers.get("x-vault-token") for _, path, headers in seen.seen if "/login" in path}
        assert tokens == {None}


async def test_a_proxy_of_the_environment_is_not_used(
    secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert value(await got(secret.keys())) == API_KEY


# How to log in.


async def test_a_wrapped_secret_id_is_unwrapped_once(secret: Secret) -> None:
    wrapped = secret.new_secret_id(wrap_ttl="60s")["wrap_info"]["token"]
    auth = AppRole(secret.role_id, wrapped_secret_id=wrapped)
    with front(secret.server) as seen:
        async with secret.keys(seen.address, auth=auth) as keys:
            assert value(await keys.get()) == API_KEY
            await keys.aclose()
            secret.put(api_key="sk-newer-000000000")
            assert (await keys.get(not_version=1)).version == 2
        assert (seen.count("/unwrap"), seen.count("/login")) == (1, 2)


async def test_a_wrapped_secret_id_that_somebody_opened_is_reported(secret: Secret) -> None:
    wrapped = secret.new_secret_id(wrap_ttl="60s")["wrap_info"]["token"]
    root_client(secret.server).sys.unwrap(wrapped)
    with pytest.raises(VaultAuthFailed, match="used before, or is too old"):
        await got(secret.keys(auth=AppRole(secret.role_id, wrapped_secret_id=wrapped)))


async def test_a_wrapped_secret_id_from_elsewhere_is_not_unwrapped(secret: Secret) -> None:
    wrapped = secret.root.sys.wrap({"secret_id": "a-trap"}, ttl=60)["wrap_info"]["token"]
    with pytest.raises(VaultAuthFailed, match="was created at sys/wrapping/wrap"):
        await got(secret.keys(auth=AppRole(secret.role_id, wrapped_secret_id=wrapped)))
    assert root_client(secret.server).sys.unwrap(wrapped)["data"] == {"secret_id": "a-trap"}


async def test_the_file_of_a_secret_id_is_read_at_each_login(secret: Secret, tmp_path: Path) -> None:
    file = tmp_path / "secret-id"
    file.write_text("an-old-one\n", encoding="utf-8")
    keys = secret.keys(auth=AppRole(secret.role_id, secret_id_file=file), refresh_interval=0)
    with pytest.raises(VaultAuthFailed):
        await got(keys)
    file.write_text(f"{secret.secret_id}\n", encoding="utf-8")
    await asyncio.sleep(1.05)  # a failure is everyone's for a second
    assert value(await got(keys)) == API_KEY
    file.unlink()
    with pytest.raises(VaultAuthFailed, match="secret-id"):
        await got(secret.keys(auth=AppRole(secret.role_id, secret_id_file=file)))


async def test_a_byte_order_mark_is_no_part_of_a_secret_id(secret: Secret, tmp_path: Path) -> None:
    file = tmp_path / "secret-id"
    file.write_text(secret.secret_id, encoding="utf-8-sig")
    assert value(await got(secret.keys(auth=AppRole(secret.role_id, secret_id_file=file)))) == API_KEY


async def test_a_secret_id_that_was_denied_is_not_sent_again_and_again(
    secret: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five denials lock the role out, for every program that has it."""
    monkeypatch.setattr("safechat.keys.cache.RETRY_WITHOUT_KEY", 0.0)
    file = tmp_path / "secret-id"
    file.write_text("an-old-one", encoding="utf-8")
    with front(secret.server) as seen:
        async with secret.keys(seen.address, auth=AppRole(secret.role_id, secret_id_file=file)) as keys:
            for _ in range(10):
                with pytest.raises(VaultAuthFailed):
                    await keys.get()
            assert seen.count("/login") == 1
            with pytest.raises(VaultAuthFailed, match="not tried again for 1"):
                await keys.get()
            file.write_text(secret.secret_id, encoding="utf-8")
            assert value(await keys.get()) == API_KEY
    assert value(await got(secret.keys())) == API_KEY


async def test_a_secret_id_for_one_login_serves_as_long_as_its_token_is_renewed(vault_server: Server) -> None:
    secret = furnish(vault_server, ttl="2s", secret_id_num_uses=1)
    with front(vault_server) as seen:
        async with secret.keys(seen.address, ttl=0.05) as keys:
            end = asyncio.get_running_loop().time() + 4.5
            while asyncio.get_running_loop().time() < end:
                assert value(await keys.get()) == API_KEY
                await asyncio.sleep(0.05)
        assert seen.count("renew-self") >= 1


async def test_a_token_that_comes_after_the_close_is_given_back_too(secret: Secret) -> None:
    with front(secret.server) as seen:
        seen.delay = 0.3
        keys = secret.keys(seen.address)
        reading = asyncio.create_task(keys.get())
        while not seen.count("/login"):  # noqa: ASYNC110 - the other side is a thread
            await asyncio.sleep(0.01)
        keys.close()
        assert value(await reading) == API_KEY
        assert seen.count("revoke-self") == 1


async def test_a_token_is_used_as_it_is_and_never_revoked(secret: Secret) -> None:
    token = secret.root.auth.token.create(policies=[secret.name], ttl="5m")["auth"]["client_token"]
    with front(secret.server) as seen:
        assert value(await got(secret.keys(seen.address, auth=Token(token)))) == API_KEY
        assert (seen.count("/login"), seen.count("revoke")) == (0, 0)
    assert secret.root.auth.token.lookup(token)["data"]["policies"]


async def test_a_namespace_of_its_own(secret: Secret) -> None:
    try:
        secret.root.adapter.post(f"/v1/sys/namespaces/{secret.name}")
    except hvac.exceptions.VaultError as error:
        pytest.skip(f"this Vault has no namespaces: {error}")
    server = secret.server
    root = hvac.Client(server.address, token=server.root_token, namespace=secret.name)
    root.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
    inner = furnish(server, root=root)
    keys = inner.keys(namespace=secret.name)
    assert value(await got(keys)) == API_KEY
    for _, step in keys.steps():  # the doctor's: health, which belongs to no namespace, and the login in it
        step()
    with pytest.raises(VaultAuthFailed):
        await got(inner.keys())


async def test_the_namespace_is_sent(secret: Secret) -> None:
    with front(secret.server) as seen:
        with pytest.raises(KeyUnavailable):
            await got(secret.keys(seen.address, namespace="team-a"))
        assert {headers.get("x-vault-namespace") for _, _, headers in seen.seen} == {"team-a"}


async def test_a_login_is_given_back_at_the_end(secret: Secret) -> None:
    keys = secret.keys()
    await keys.get()
    token = token_of(keys)
    assert secret.root.auth.token.lookup(token)["data"]["policies"]
    await keys.aclose()
    with pytest.raises(Exception, match=r"bad token|permission denied|invalid"):
        secret.root.auth.token.lookup(token)
    assert value(await keys.get()) == API_KEY
    await keys.aclose()


# A login that ends.


async def test_a_token_that_was_revoked_is_a_new_login(secret: Secret) -> None:
    with front(secret.server) as seen:
        async with secret.keys(seen.address) as keys:
            await keys.get()
            secret.root.auth.token.revoke(token_of(keys))
            secret.put(api_key="sk-newer-000000000")
            assert (await keys.get(not_version=1)).version == 2
        assert (seen.count("/login"), seen.count("/data/")) == (2, 3)


async def test_a_login_that_is_about_to_end_is_made_anew_before(vault_server: Server) -> None:
    secret = furnish(vault_server, ttl="2s")
    with front(vault_server) as seen:
        async with secret.keys(seen.address, ttl=0.05) as keys:
            while seen.count("/login") < 3:
                versions = await asyncio.gather(*(keys.get() for _ in range(50)))
                assert {key.version for key in versions} == {1}
                await asyncio.sleep(0.01)
        assert seen.count("/data/") > 20


async def test_a_denial_that_outlives_a_new_login_is_an_error(secret: Secret) -> None:
    with front(secret.server) as seen:
        async with secret.keys(seen.address, ttl=0.05) as keys:
            await keys.get()
            secret.root.sys.delete_policy(secret.name)
            await asyncio.sleep(0.1)
            with pytest.raises(VaultAuthFailed, match="its policy must allow"):
                await keys.get()
        assert seen.count("/login") == 2


async def test_a_secret_that_is_gone_is_an_error_and_no_stale_key(secret: Secret) -> None:
    async with secret.keys(ttl=0.05) as keys:
        await keys.get()
        secret.root.secrets.kv.v2.delete_latest_version_of_secret(secret.path)
        await asyncio.sleep(0.1)
        with pytest.raises(SecretNotFound, match="deleted"):
            await keys.get()


# What can be wrong.


def clean(error: ChatError, *secrets: str) -> None:
    """Nothing that is reachable from the error holds a secret, and it pickles."""
    assert error.__cause__ is error.__context__ is None
    text = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error)) + str(error.args)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (type(error), str(error))
    for secret in secrets:
        assert secret not in text


WRONG: dict[str, tuple[Callable[[Secret], dict[str, Any]], type[ChatError], str]] = {
    "role_id": (
        lambda s: {"auth": AppRole("nobody", s.secret_id)},
        VaultAuthFailed,
        "role_id or the secret_id",
    ),
    "secret_id": (
        lambda s: {"auth": AppRole(s.role_id, "wrong")},
        VaultAuthFailed,
        "role_id or the secret_id",
    ),
    "auth mount": (
        lambda s: {"auth": AppRole(s.role_id, s.secret_id, mount="nowhere")},
        VaultAuthFailed,
        "auth/nowhere",
    ),
    "token": (lambda s: {"auth": Token("hvs.AAAAAAAAAAAAAAAAAAAAAAAA")}, VaultAuthFailed, "must be alive"),
    "path that is not the role's": (lambda s: {"path": "safechat/else"}, VaultAuthFailed, "policy"),
    "field": (lambda s: {"field": "token"}, SecretNotFound, "no field 'token'; it has: api_key"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_has_an_error_of_its_own(what: str, secret: Secret) -> None:
    options, kind, words = WRONG[what]
    with pytest.raises(kind, match=words) as caught:
        await got(secret.keys(**options(secret)))
    assert type(caught.value) is kind
    clean(caught.value, secret.secret_id, API_KEY, "hvs.AAAA")


async def test_a_path_without_a_secret_is_reported(vault_server: Server) -> None:
    secret = furnish(vault_server, may_read="*")
    with pytest.raises(SecretNotFound, match="secret/data/nothing/here: there is nothing"):
        await got(secret.keys(path="nothing/here"))


@pytest.mark.parametrize("held", ["", "  ", 17, {"a": 1}, None])
async def test_a_field_without_a_text_is_reported(held: object, secret: Secret) -> None:
    secret.put(api_key=held)
    with pytest.raises(SecretNotFound, match="holds no text"):
        await got(secret.keys())


async def test_an_engine_of_version_1_is_reported(secret: Secret) -> None:
    mount = f"kv1-{secret.name}"
    secret.root.sys.enable_secrets_engine("kv", path=mount, options={"version": "1"})
    try:
        secret.root.secrets.kv.v1.create_or_update_secret("a", {"api_key": API_KEY}, mount_point=mount)
        secret.root.sys.create_or_update_policy(
            secret.name, f'path "{mount}/*" {{ capabilities = ["read"] }}'
        )
        with pytest.raises(SecretNotFound, match="version 2"):
            await got(secret.keys(path="a", mount=mount))
    finally:
        secret.root.sys.disable_secrets_engine(mount)


async def test_a_key_that_no_header_can_carry_is_reported(secret: Secret) -> None:
    secret.put(api_key="sk-anahtarım-0000000000")
    with pytest.raises(SecretNotFound, match="no header can carry") as caught:
        await got(secret.keys())
    assert "anahtar" not in str(caught.value)


ANSWERS: dict[str, tuple[tuple[int, dict[str, str], bytes], str]] = {
    "a page of HTML": ((200, {"content-type": "text/html"}, b"<html>log in</html>"), "is not from Vault"),
    "JSON of something else": ((200, {"content-type": "application/json"}, b"[1, 2]"), "is not from Vault"),
    "a 502 of a load balancer": ((502, {}, b"<html>bad gateway</html>"), "is not from Vault"),
    "a 503 of a load balancer": ((503, {}, b"<html>no servers</html>"), "is not from Vault"),
    "a 429": ((429, {"content-type": "application/json"}, b'{"errors": ["slow down"]}'), "slow down"),
    "a redirect": (
        (307, {"location": "https://other.example/v1/x"}, b""),
        "redirects .307. to other.example",
    ),
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
async def test_a_proxys_page_of_any_status_leaves_the_key_in_hand(status: int, secret: Secret) -> None:
    with front(secret.server) as seen:
        async with secret.keys(seen.address, ttl=0.05) as keys:
            await keys.get()
            seen.instead = (status, {"content-type": "text/html"}, b"<html>404 page not found</html>")
            await asyncio.sleep(0.1)
            assert value(await keys.get()) == API_KEY
        async with secret.keys(seen.address) as cold:
            with pytest.raises(VaultUnreachable, match="is not from Vault"):
                await cold.get()
        seen.instead = None


@pytest.mark.parametrize("what", ANSWERS)
async def test_what_is_not_vault_is_reported(what: str, secret: Secret) -> None:
    answer, words = ANSWERS[what]
    with front(secret.server) as seen:
        seen.instead = answer
        with pytest.raises(VaultUnreachable, match=words) as caught:
            await got(secret.keys(seen.address))
        clean(caught.value, secret.secret_id)
        seen.instead = None


async def test_something_else_in_vaults_place_leaves_the_key_in_hand(secret: Secret) -> None:
    with front(secret.server) as seen:
        async with secret.keys(seen.address, ttl=0.05) as keys:
            await keys.get()
            seen.instead = ANSWERS["a page of HTML"][0]
            await asyncio.sleep(0.1)
            assert value(await keys.get()) == API_KEY


async def test_a_server_that_is_down_is_reported(secret: Secret) -> None:
    with pytest.raises(VaultUnreachable, match=r"no connection \(HTTPConnection\(host='127.0.0.1'") as caught:
        await got(secret.keys("http://127.0.0.1:9"))
    clean(caught.value, secret.secret_id)


async def test_a_name_that_nobody_knows_is_reported(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(VaultUnreachable, match="not known"):
        await got(secret.keys("https://vault.example"))


async def test_a_server_that_hangs_is_reported_in_time(own_server: Server) -> None:
    secret = furnish(own_server)
    own_server.pause()
    try:
        with pytest.raises(VaultUnreachable, match=r"no answer within 0\.3 s") as caught:
            await got(secret.keys(timeout=(0.3, 0.3)))
        clean(caught.value, secret.secret_id)
    finally:
        own_server.resume()


async def test_a_sealed_server_is_reported(own_server: Server) -> None:
    secret = furnish(own_server)
    secret.root.sys.seal()
    with pytest.raises(VaultSealed, match="unseal it") as caught:
        await got(secret.keys())
    clean(caught.value, secret.secret_id)


# TLS.


async def test_a_server_is_trusted_by_its_ca(tls_server: Server) -> None:
    secret = furnish(tls_server)
    assert tls_server.address.startswith("https://")
    assert value(await got(secret.keys())) == API_KEY


async def test_a_ca_of_the_environment_does_not_come_before_the_given_one(
    tls_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "none.pem"
    empty.write_text("", encoding="utf-8")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "VAULT_CACERT"):
        monkeypatch.setenv(name, str(empty))
    secret = furnish(tls_server)
    assert value(await got(secret.keys())) == API_KEY


async def test_a_server_with_another_ca_is_refused(tls_server: Server) -> None:
    secret = furnish(tls_server)
    other = VaultKeys(
        tls_server.address,
        path=secret.path,
        auth=AppRole(secret.role_id, secret.secret_id),
        ca=certifi.where(),
    )
    with pytest.raises(VaultUnreachable, match="certificate is not trusted") as caught:
        await got(other)
    clean(caught.value, secret.secret_id)


# How it is configured.


def vault_keys(**options: Any) -> VaultKeys:
    return VaultKeys(
        **{"url": "https://vault:8200", "path": "a", "auth": AppRole("role", "a-secret-id"), **options}
    )


BAD: list[tuple[dict[str, Any], str]] = [
    ({"url": "vault:8200"}, "like https://vault:8200"),
    ({"url": "http://10.0.0.7:8200"}, "plain http"),
    ({"url": "http://vault.example"}, "plain http"),
    ({"url": "https://bob:hunter2secret@vault"}, "user or a password"),
    ({"path": "/"}, "path is empty"),
    ({"field": ""}, "field is empty"),
    ({"ca": "/no/such/file.pem"}, "no file"),
    ({"timeout": (0, 5)}, "above 0"),
    ({"timeout": 0}, "above 0 seconds, not 0"),
    ({"ttl": 0}, "above 0"),
    ({"refresh_interval": -1}, "refresh_interval"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[words for _, words in BAD])
def test_a_bad_option_is_reported_before_anything_is_sent(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        vault_keys(**options)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:8200", "http://127.0.0.1:8200", "http://[::1]:8200"])
def test_plain_http_on_this_machine_is_well(url: str) -> None:
    assert url in repr(vault_keys(url=url))


def test_plain_http_is_used_where_one_asks_for_it() -> None:
    assert "http://vault.example" in repr(vault_keys(url="http://vault.example", allow_http=True))


def test_auth_of_another_kind_is_refused_without_showing_it() -> None:
    with pytest.raises(TypeError, match="not str") as caught:
        vault_keys(auth="hvs.AAAAAAAAAAAAAAAAAAAAAAAA")
    assert "hvs" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{}, {"secret_id": "a", "wrapped_secret_id": "b"}, {"secret_id": ""}, {"role_id": ""}]
)
def test_a_role_needs_one_secret_id(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"secret_id|role_id"):
        AppRole(**{"role_id": "role", **options})


def test_a_token_with_a_line_break_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="no header can carry") as caught:
        Token("s3cr3t-part-one\nsecond-part")
    assert "part" not in str(caught.value)


def test_no_secret_shows_itself() -> None:
    auth = AppRole("a-role-id", "a-secret-id-1234")
    for shown in (auth, Token("hvs.AAAAAAAAAAAAAAAAAAAAAAAA"), vault_keys(auth=auth)):
        assert not {"a-secret-id-1234", "hvs.AAAAAAAAAAAAAAAAAAAAAAAA"} & {repr(shown), str(vars(shown))}
        assert "a-secret-id" not in repr(shown) + str(vars(shown))
        assert "hvs." not in repr(shown) + str(vars(shown))


# In a process that forks.


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # every parent's
def test_a_forks_child_has_a_login_of_its_own(secret: Secret) -> None:
    if sys.platform == "win32":
        pytest.skip("this system has no fork")
    with front(secret.server) as seen:
        keys = secret.keys(seen.address)
        asyncio.run(keys.get())
        secret.put(api_key="sk-newer-000000000")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if asyncio.run(keys.get(not_version=1)).version == 2 else 2
                asyncio.run(keys.aclose())
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert asyncio.run(keys.get(not_version=1)).version == 2  # with the parent's login, still alive
        assert seen.count("/login") == 2
        asyncio.run(keys.aclose())
