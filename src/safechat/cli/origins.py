"""Where each setting comes from, and which names in SAFECHAT_* nobody reads.

Not here: the checks (doctor.py), what the settings say of the network (network.py).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator

from safechat.keys.vault.settings import VaultSettings
from safechat.settings import Settings, file_values

KNOWN = sorted(
    str(field.validation_alias)
    for settings in (Settings, VaultSettings)
    for field in settings.model_fields.values()
)


def origins(env_file: str | None) -> str:
    """The names of the settings that are set, by where they come from; no value. All others have their
    defaults."""
    in_environment, in_file = _environment(), file_values(env_file)
    places = (
        ("from the environment", [name for name in KNOWN if name in in_environment]),
        (f"from {env_file}", [name for name in KNOWN if name in in_file and name not in in_environment]),
        (
            f"in {env_file} without effect, for the environment says something else",
            [
                name
                for name in KNOWN
                if name in in_file and in_environment.get(name, in_file[name]) != in_file[name]
            ],
        ),
    )
    return "; ".join(f"{place}: {', '.join(names)}" for place, names in places if names)


def unknown_names(env_file: str | None) -> Iterator[tuple[str, str]]:
    """Each name in SAFECHAT_* that is not one of ours, with the nearest that is; "" where none is near."""
    for name in sorted({*_environment(), *file_values(env_file)}):
        if name.startswith("SAFECHAT_") and name not in KNOWN:
            near = difflib.get_close_matches(_rest(name), [_rest(known) for known in KNOWN], n=1)
            yield name, next((known for known in KNOWN if [_rest(known)] == near), "")


def _environment() -> dict[str, str]:
    """The variables that are set, by name in capitals: settings are read in either case."""
    return {name.upper(): value for name, value in os.environ.items() if value}


def _rest(name: str) -> str:
    return name.removeprefix("SAFECHAT_")
