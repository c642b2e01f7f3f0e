"""The settings of the environment and of .env files: encodings, empty values, where keys are sent."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from clients import KEY
from safechat import ChatClientWrapper, EnvKeys, KeyUnavailable, VaultKeys
from safechat.call.clients import copied, new_client
from safechat.runtime.threads import Threads
from safechat.settings import read_settings

NAMES = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "VAULT_ADDR",
    "VAULT_SECRET_ID", "VAULT_ROLE_ID", "SAFECHAT_KEY_PATH", "SAFECHAT_ALLOW_HTTP", "SAFECHAT_MODEL",
    "SAFECHAT_API",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def write(data: str | bytes) -> None:
    Path(".env").write_bytes(data if isinstance(data, bytes) else data.encode())


# Encodings.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_is_read_whose_encoding_tells_itself(encoding: str) -> None:
    write(f"SAFECHAT_MODEL=öğretmen\nOPENAI_API_KEY={KEY}\n".encode(encoding))
    settings = read_settings()
    assert settings.model == "öğretmen"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == KEY


@pytest.mark.parametrize("encoding", ["cp1254", "iso-8859-9", "utf-16-le", "utf-16-be"])
def test_another_encoding_is_an_error_that_names_file_and_line_and_shows_nothing(encoding: str) -> None:
    write(f"OPENAI_API_KEY={KEY}\nSAFECHAT_MODEL=öğretmen\n".encode(encoding))
    with pytest.raises(ValueError, match=r"^\.env, line [12]: .*UTF-8") as caught:
        read_settings()
    text = "".join(traceback.format_exception(caught.value))
    assert KEY not in text
    assert caught.value.__context__ is None


async def test_a_line_break_in_a_key_is_said_as_such() -> None:
    write(f'OPENAI_API_KEY="{KEY}\n{KEY}"\n')
    with pytest.raises(KeyUnavailable, match="line break") as caught:
        await EnvKeys().get()
    assert KEY not in str(caught.value)


# Empty values.


@pytest.mark.parametrize("in_file", [True, False])
async def test_an_empty_value_is_as_if_not_set(in_file: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
    if in_file:
        write("".join(f"{name}=\n" for name in names))
    else:
        for name in names:
            monkeypatch.setenv(name, "")
    settings = read_settings()
    client = new_client(
        base_url=settings.base_url, organization=settings.organization, project=settings.project
    )
    copy = copied(client, True, Threads(1).run)
    assert str(copy.base_url) == "https://api.openai.com/v1/"
    assert not {"OpenAI-Organization", "OpenAI-Project"} & {
        name for name, value in copy.default_headers.items() if isinstance(value, str)
    }


# Where a key is sent.


@pytest.mark.parametrize("address", ["OPENAI_BASE_URL", "VAULT_ADDR"])
def test_a_file_of_the_current_folder_does_not_redirect_a_key_of_the_environment(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(f"{address}=https://evil.example/v1\n")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ValueError, match=f"Set {address} in the environment, too") as caught:
        ChatClientWrapper.from_env()
    assert KEY not in str(caught.value)


def test_nor_does_it_redirect_a_secret_id(monkeypatch: pytest.MonkeyPatch) -> None:
    write("VAULT_ADDR=https://evil.example\nVAULT_ROLE_ID=r\nSAFECHAT_KEY_PATH=p\n")
    monkeypatch.setenv("VAULT_SECRET_ID", "11112222-3333")
    with pytest.raises(ValueError, match="VAULT_SECRET_ID from the environment"):
        VaultKeys.from_env()


@pytest.mark.parametrize(
    ("file", "environment"),
    [
        (f"OPENAI_BASE_URL=https://a/v1\nOPENAI_API_KEY={KEY}\n", {}),
        (f"OPENAI_API_KEY={KEY}\n", {"OPENAI_BASE_URL": "https://a/v1"}),
        ("OPENAI_BASE_URL=https://b/v1\n", {"OPENAI_BASE_URL": "https://a/v1", "OPENAI_API_KEY": KEY}),
        ("OPENAI_BASE_URL=https://a/v1\n", {"OPENAI_API_KEY": "ollama"}),
    ],
)
def test_what_belongs_together_is_used(
    file: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert read_settings().base_url == "https://a/v1"


def test_a_file_that_the_program_names_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    write("OPENAI_BASE_URL=https://a/v1\n")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert read_settings(str(Path(".env").resolve())).base_url == "https://a/v1"


# Plain http.


@pytest.mark.parametrize("url", ["http://gateway/v1", "http://10.0.0.7:8000/v1", "HTTP://gateway/v1"])
def test_plain_http_to_another_machine_is_refused_unless_it_is_allowed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ValueError, match="SAFECHAT_ALLOW_HTTP=1"):
        read_settings()
    monkeypatch.setenv("SAFECHAT_ALLOW_HTTP", "1")
    assert read_settings().base_url == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "http://[::1]:1/v1", "http://localhost/v1"])
def test_plain_http_within_the_machine_is_allowed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert read_settings().base_url == url


# Which API.


def test_the_api_is_a_setting() -> None:
    write(f"SAFECHAT_API=responses\nOPENAI_API_KEY={KEY}\n")
    with ChatClientWrapper.from_env() as chat:
        assert chat.dispatcher.defaults.api == "responses"


def test_a_wrong_api_names_the_variable() -> None:
    write(f"SAFECHAT_API=both\nOPENAI_API_KEY={KEY}\n")
    with pytest.raises(ValueError, match="SAFECHAT_API"):
        ChatClientWrapper.from_env()
