"""What `ChatClientWrapper.from_env` reads: environment variables, and a .env file.

The environment wins over the file. Not here: defaults, which the wrapper's signature
has (client/wrapper.py); the settings of Vault (keys/vault/settings.py).
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

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


def read_settings(env_file: str | None = ".env") -> Settings:
    """The settings in force. Raises ValueError that names every wrong variable."""
    return load_settings(Settings, env_file)


def load_settings(kind: type[S], env_file: str | None) -> S:
    """An instance of `kind` from the environment and the file. Raises ValueError like `read_settings`."""
    problems: list[str]
    try:
        return kind(_env_file=env_file)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    raise ValueError("these settings are wrong: " + "; ".join(problems))
