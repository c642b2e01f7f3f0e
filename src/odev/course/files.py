"""How odev writes a file that is read again, and the temporary folders that it works in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


def replace_text(path: Path, text: str) -> None:
    """Write the file atomically: whatever happens meanwhile, it holds the whole text or the one before."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)


def file_name(text: str) -> str:
    """`text` as the name of a file: its bytes are UTF-8, also where Python takes paths for ASCII (LANG=C)."""
    return os.fsdecode(text.encode())


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is removed at the end. A file that cannot be removed (open, on Windows) is no error."""
    with TemporaryDirectory(prefix="odev-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()
