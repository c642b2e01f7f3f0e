"""What `VaultKeys.from_env` reads: VAULT_* and SAFECHAT_KEY_*, from the environment or a .env file.

Not here: the settings of the API (settings.py of the package).
"""

from __future__ import annotations

import os

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from safechat.settings import load_settings

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


def read_vault_settings(env_file: str | None = ".env") -> VaultSettings:
    """The settings of Vault in force. Raises ValueError that names each variable that is wrong or missing.

    Exactly one way to a secret_id must be set.
    """
    settings = load_settings(VaultSettings, env_file)
    if any(os.environ.get(name) for name in _SECRET_IDS.values()):  # the environment wins over the file
        for field, name in _SECRET_IDS.items():
            if not os.environ.get(name):
                setattr(settings, field, None)
    given = [name for field, name in _SECRET_IDS.items() if getattr(settings, field) is not None]
    if len(given) != 1:
        raise ValueError(
            f"set one of {', '.join(_SECRET_IDS.values())}; set are {' and '.join(given) or 'none'}"
        )
    return settings
