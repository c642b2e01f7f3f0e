"""EnvKeys: the key of the environment or of a .env file."""

from __future__ import annotations

from pathlib import Path

import pytest

from safechat import EnvKeys, KeyUnavailable


async def test_the_environments_key_is_read_again_when_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-first-00000000\n", encoding="utf-8")
    keys = EnvKeys()
    first = await keys.get()
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-second-0000000\n", encoding="utf-8")
    assert await keys.get() == first
    second = await keys.get(not_version=first.version)
    assert (second.value.get_secret_value(), second.version) == ("sk-second-0000000", 2)
    assert (await keys.get(not_version=2)).version == 2
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / ".env").unlink()
    with pytest.raises(KeyUnavailable, match="OPENAI_API_KEY"):
        await keys.get(not_version=2)
