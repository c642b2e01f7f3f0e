"""How odev writes a file that is read again, and the temporary folders that it works in."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp


def replace_text(path: Path, text: str) -> None:
    """Write the file atomically: whatever happens meanwhile, it holds the whole text or the one before.
    Of two that write it at once, the later one wins."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def file_name(text: str) -> str:
    """`text` as the name of a file: its bytes are UTF-8, also where Python takes paths for ASCII (LANG=C)."""
    return os.fsdecode(text.encode())


def file_states(folder: Path) -> dict[str, tuple[int, ...]]:
    """Each file and folder within, with what changes when somebody writes into it; without those that go
    meanwhile."""
    found: dict[str, tuple[int, ...]] = {}
    pending = [str(folder)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    state = entry.stat(follow_symlinks=False)
                    found[entry.path] = (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    return found


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is removed at the end, whatever a program has put into it. A file that cannot be removed
    (open, on Windows) is no error."""
    folder = Path(mkdtemp(prefix="odev-")).resolve()
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    with suppress(RecursionError):  # thousands of folders within each other
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _flatten_and_remove(folder)


def _flatten_and_remove(folder: Path) -> None:
    """Move each folder within up before it is emptied, so that no path is too long, and make it writable."""
    prefix = f".{secrets.token_hex(8)}-"
    numbers = itertools.count()
    pending = [folder]
    while pending:
        directory = pending.pop()
        with suppress(OSError):
            directory.chmod(0o700)
            for entry in list(os.scandir(directory)):
                with suppress(OSError):
                    if _is_folder(entry):
                        os.chmod(entry.path, 0o700)
                        pending.append(Path(entry.path).rename(folder / f"{prefix}{next(numbers)}"))
                    else:
                        if os.name == "nt":  # it does not remove a read-only file
                            os.chmod(entry.path, 0o600)
                        os.unlink(entry.path)
    for directory in (*folder.glob(f"{prefix}*"), folder):
        with suppress(OSError):
            directory.rmdir()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, and no link or Windows' junction to one."""
    attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    return entry.is_dir(follow_symlinks=False) and not attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT
