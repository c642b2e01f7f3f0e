"""What `ChatClientWrapper.from_env` reads: environment variables, and a .env file.

The environment wins over the file. A file that lies in the current folder may be somebody else's: it does
not say where a key of the environment is sent. Not here: defaults, which the wrapper's signature has
(client/wrapper.py); the settings of Vault (keys/vault/settings.py).
"""

from __future__ import annotations

import codecs
import ipaddress
import os
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from safechat.redact import is_ordinary

# Settings that say where a key is sent or where it comes from, and secrets that would be sent there.
_ADDRESSES = ("OPENAI_BASE_URL", "VAULT_ADDR")
_SECRETS = ("OPENAI_API_KEY", "VAULT_SECRET_ID", "VAULT_WRAPPED_SECRET_ID")
# The marks that a file in another encoding begins with; UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

S = TypeVar("S", bound=BaseSettings)


class Settings(BaseSettings):
    """OPENAI_* name the API, as they do for the SDK; SAFECHAT_* say how the wrapper behaves, in seconds."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True, env_ignore_empty=True)

    api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    vault_address: str | None = Field(default=None, validation_alias="VAULT_ADDR")
    base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    organization: str | None = Field(default=None, validation_alias="OPENAI_ORG_ID")
    project: str | None = Field(default=None, validation_alias="OPENAI_PROJECT_ID")
    allow_http: bool = Field(default=False, validation_alias="SAFECHAT_ALLOW_HTTP")

    model: str | None = Field(default=None, validation_alias="SAFECHAT_MODEL")
    api: Literal["chat", "responses", "auto"] | None = Field(default=None, validation_alias="SAFECHAT_API")
    timeout: float | None = Field(default=None, gt=0, validation_alias="SAFECHAT_TIMEOUT")
    deadline: float | None = Field(default=None, gt=0, validation_alias="SAFECHAT_DEADLINE")

    fallbacks: str | None = Field(default=None, validation_alias="SAFECHAT_FALLBACKS")  # a,b,c
    attempts: int | None = Field(default=None, ge=1, validation_alias="SAFECHAT_ATTEMPTS")
    requests_per_minute: float | None = Field(
        default=None, gt=0, validation_alias="SAFECHAT_REQUESTS_PER_MINUTE"
    )
    tokens_per_minute: float | None = Field(default=None, gt=0, validation_alias="SAFECHAT_TOKENS_PER_MINUTE")
    concurrency: int | None = Field(default=None, ge=1, validation_alias="SAFECHAT_CONCURRENCY")
    usd_per_day: float | None = Field(default=None, gt=0, validation_alias="SAFECHAT_USD_PER_DAY")
    usd_per_call: float | None = Field(default=None, gt=0, validation_alias="SAFECHAT_USD_PER_CALL")
    # Where processes share these limits; the name is that of those who share.
    redis_url: SecretStr | None = Field(default=None, validation_alias="SAFECHAT_REDIS_URL")
    redis_name: str = Field(default="safechat", validation_alias="SAFECHAT_REDIS_NAME")
    redis_processes: int = Field(default=1, ge=1, validation_alias="SAFECHAT_REDIS_PROCESSES")

    def fallback_models(self) -> list[str]:
        """The names in SAFECHAT_FALLBACKS."""
        return [name.strip() for name in (self.fallbacks or "").split(",") if name.strip()]


def read_settings(env_file: str | None = ".env") -> Settings:
    """The settings in force. Raises ValueError that names every wrong variable.

    Plain http to another machine is refused, unless SAFECHAT_ALLOW_HTTP is set.
    """
    settings = load_settings(Settings, env_file)
    url = settings.base_url
    if url is not None and not settings.allow_http and is_readable_on_the_way(url):
        raise ValueError(
            f"OPENAI_BASE_URL is plain http, so everyone on the way to {urlsplit(url).hostname} could read "
            "the key: use https, or set SAFECHAT_ALLOW_HTTP=1"
        )
    return settings


def load_settings(kind: type[S], env_file: str | None) -> S:
    """An instance of `kind` from the environment and the file. Raises ValueError like `read_settings`."""
    problems: list[str]
    _check_redirects(env_file)
    try:
        return kind(_env_file=env_file, _env_file_encoding=encoding_of(env_file))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    raise ValueError("these settings are wrong: " + "; ".join(problems))


def file_values(env_file: str | None) -> dict[str, str]:
    """The variables that `env_file` sets, by name in capitals. Raises ValueError like `encoding_of`."""
    if env_file is None or not os.path.isfile(env_file):
        return {}
    values = dotenv_values(env_file, encoding=encoding_of(env_file))
    return {name.upper(): value for name, value in values.items() if value}


def encoding_of(env_file: str | None) -> str:
    """The encoding of a .env file: UTF-8, or what its first bytes say.

    Raises ValueError, with the file and the line, where it is neither.
    """
    if env_file is None or not os.path.isfile(env_file):
        return "utf-8"
    data = Path(env_file).read_bytes()
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    else:
        if "\0" not in data.decode(encoding):
            return encoding
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
    # Outside the except block: a UnicodeDecodeError on __context__ would hold the whole file.
    raise ValueError(f"{env_file}, line {line}: this is not UTF-8 text; save the file as UTF-8")


def is_readable_on_the_way(url: str) -> bool:
    """Whether what is sent to `url` leaves this machine in plain http."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return not (host == "localhost" or host.endswith(".localhost"))


def _check_redirects(env_file: str | None) -> None:
    """Raise ValueError where a file of the current folder says where a secret of the environment goes."""
    if env_file is None or os.path.isabs(env_file):
        return
    values = file_values(env_file)
    for address in _ADDRESSES:
        for secret in _SECRETS:
            value = os.environ.get(secret, "")
            if address in values and not os.environ.get(address) and not is_ordinary(value):
                raise ValueError(
                    f"{address} comes from the file {env_file} of the current folder, and {secret} from the "
                    f"environment: a file that lies there must not say where that goes. Set {address} in the "
                    f"environment, too, or keep {secret} in the file"
                )
