"""What `ChatClientWrapper.from_env` reads: environment variables, and a .env file under them.

The environment wins over the file. Not here: any default that the wrapper's own
signature has; what is not set here is left to it.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from safechat.limits import RateLimits
from safechat.retry import RetryPolicy

S = TypeVar("S", bound=BaseSettings)


class Settings(BaseSettings):
    """OPENAI_* name the API, as they do for the SDK; SAFECHAT_* say how the wrapper behaves, in seconds."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True, env_ignore_empty=True)

    api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    vault_address: str | None = Field(default=None, validation_alias="VAULT_ADDR")
    base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    organization: str | None = Field(default=None, validation_alias="OPENAI_ORG_ID")
    project: str | None = Field(default=None, validation_alias="OPENAI_PROJECT_ID")

    model: str | None = Field(default=None, validation_alias="SAFECHAT_MODEL")
    timeout: float | None = Field(default=None, gt=0, validation_alias="SAFECHAT_TIMEOUT")
    deadline: float | None = Field(default=None, gt=0, validation_alias="SAFECHAT_DEADLINE")

    fallbacks: str | None = Field(default=None, validation_alias="SAFECHAT_FALLBACKS")  # a,b,c
    attempts: int | None = Field(default=None, ge=1, validation_alias="SAFECHAT_ATTEMPTS")
    requests_per_minute: float | None = Field(
        default=None, gt=0, validation_alias="SAFECHAT_REQUESTS_PER_MINUTE"
    )
    tokens_per_minute: float | None = Field(default=None, gt=0, validation_alias="SAFECHAT_TOKENS_PER_MINUTE")
    concurrency: int | None = Field(default=None, ge=1, validation_alias="SAFECHAT_CONCURRENCY")

    def fallback_models(self) -> list[str]:
        """The names in SAFECHAT_FALLBACKS."""
        return [name.strip() for name in (self.fallbacks or "").split(",") if name.strip()]

    def wrapper_options(self) -> dict[str, Any]:
        """What ChatClientWrapper is to be given by name."""
        given = self.model_dump(exclude_none=True)
        options: dict[str, Any] = {
            name: given[name] for name in ("model", "timeout", "deadline") if name in given
        }
        if self.fallbacks is not None:
            options["fallbacks"] = self.fallback_models()
        if self.attempts is not None:
            options["retry"] = RetryPolicy(attempts=self.attempts)
        limits = ("requests_per_minute", "tokens_per_minute", "concurrency")
        options["limits"] = RateLimits(**{name: given[name] for name in limits if name in given})
        return options


_SECRET_IDS = {
    "secret_id": "VAULT_SECRET_ID",
    "secret_id_file": "VAULT_SECRET_ID_FILE",
    "wrapped_secret_id": "VAULT_WRAPPED_SECRET_ID",
}


class VaultSettings(BaseSettings):
    """VAULT_* as Vault's own tools name them, and where the key is. VAULT_TOKEN is not among them."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True, env_ignore_empty=True)

    address: str = Field(validation_alias="VAULT_ADDR")
    role_id: str = Field(validation_alias="VAULT_ROLE_ID")
    secret_id: SecretStr | None = Field(default=None, validation_alias="VAULT_SECRET_ID")
    secret_id_file: str | None = Field(default=None, validation_alias="VAULT_SECRET_ID_FILE")
    wrapped_secret_id: SecretStr | None = Field(default=None, validation_alias="VAULT_WRAPPED_SECRET_ID")
    namespace: str | None = Field(default=None, validation_alias="VAULT_NAMESPACE")
    ca: str | None = Field(default=None, validation_alias="VAULT_CACERT")
    allow_http: bool = Field(default=False, validation_alias="SAFECHAT_VAULT_ALLOW_HTTP")

    key_path: str = Field(validation_alias="SAFECHAT_KEY_PATH")
    key_field: str = Field(default="api_key", validation_alias="SAFECHAT_KEY_FIELD")
    key_mount: str = Field(default="secret", validation_alias="SAFECHAT_KEY_MOUNT")


def read_settings(env_file: str | None = ".env") -> Settings:
    """The settings in force. Raises ValueError that names each variable that is wrong."""
    return _read(Settings, env_file)


def read_vault_settings(env_file: str | None = ".env") -> VaultSettings:
    """The same of Vault; also a variable that is missing is wrong, and more than one way to a secret_id."""
    told = _read(VaultSettings, env_file)
    if any(os.environ.get(name) for name in _SECRET_IDS.values()):  # they win over the file, whichever it has
        for field, name in _SECRET_IDS.items():
            if not os.environ.get(name):
                setattr(told, field, None)
    given = [name for field, name in _SECRET_IDS.items() if getattr(told, field) is not None]
    if len(given) != 1:
        raise ValueError(
            f"set one of {', '.join(_SECRET_IDS.values())}; set are {' and '.join(given) or 'none'}"
        )
    return told


def _read(kind: type[S], env_file: str | None) -> S:
    problems: list[str]
    try:
        return kind(_env_file=env_file)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    raise ValueError("these settings are wrong: " + "; ".join(problems))
