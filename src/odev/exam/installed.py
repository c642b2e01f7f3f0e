"""The package that takes the exam, in an environment of its own: offline, without pip and without an index.

The environment is a venv. Its site-packages hold the package's files, as `pip install --no-deps` would put
them there; openai and the others it finds in the course's own site-packages, whose .pth files it does not
read, so the course's src is not on its path. Not here: what runs in it (program.py).
"""

from __future__ import annotations

import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from odev.course.course import CourseError
from odev.course.package_files import package_files

LARGEST = 20_000_000  # bytes of a package, unpacked
_MOST_FILES = 2_000
_NOT_THE_PACKAGE = {"__pycache__", "__MACOSX", "solutions", "site-packages"}
Files = Mapping[PurePosixPath, Callable[[], bytes]]


@dataclass(frozen=True, slots=True)
class Environment:
    """A venv. `python` is its interpreter."""

    folder: Path

    @property
    def python(self) -> Path:
        return self._path("scripts") / f"python{sysconfig.get_config_var('EXE') or ''}"

    @property
    def site_packages(self) -> Path:
        return self._path("purelib")

    def _path(self, name: str) -> Path:
        base = str(self.folder)
        return Path(sysconfig.get_path(name, "venv", {"base": base, "platbase": base}))


def make_environment(folder: Path) -> Environment:
    """A new venv in `folder`."""
    venv.main(["--without-pip", str(folder)])  # with links or copies, as is usual on this platform
    return Environment(folder)


def beside_the_course() -> list[str]:
    """The folders in which is installed what the package needs. The program gets them by name: a .pth file
    Python before 3.13 reads in the code page of Windows, which may lack a letter of the folder."""
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


def install(source: Path, package: str, environment: Environment) -> None:
    """Put the package of this zip, wheel or folder into the environment.

    CourseError (Turkish) when there is none in it, or when it cannot be read.
    """
    for path, content in files_of(source, package).items():
        target = environment.site_packages / package / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def files_of(source: Path, package: str) -> dict[PurePosixPath, bytes]:
    """The package's files by their path in it. CourseError (Turkish) like `install`."""
    try:
        if source.is_dir():
            found = package_in(_of_folder(source.resolve(), package), package)
        elif source.is_file():
            with zipfile.ZipFile(source) as archive:
                found = package_in(_of_zip(archive), package)
        else:
            raise CourseError(f"{source} diye bir dosya ya da klasör yok")
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise CourseError(f"{source} okunamadı: {error}") from None
    if not found:
        raise CourseError(f"{source} içinde {package} paketi yok; onu `python -m odev package` yapar")
    return found


def package_in(files: Files, package: str) -> dict[PurePosixPath, bytes]:
    """The files of the package that lies highest among these, read; nothing where there is none.

    ValueError where it is too large.
    """
    homes = [path.parent for path in files if path.name == "__init__.py" and path.parent.name == package]
    homes = [home for home in homes if not _NOT_THE_PACKAGE & set(home.parts)]
    if not homes:
        return {}
    home = min(homes, key=lambda path: (len(path.parts), path))
    own = {path: read for path, read in files.items() if path.is_relative_to(home)}
    own = {path: read for path, read in own.items() if not _NOT_THE_PACKAGE & set(path.parts)}
    if len(own) > _MOST_FILES:
        raise ValueError(f"pakette {_MOST_FILES} dosyadan fazlası var")
    found: dict[PurePosixPath, bytes] = {}
    room = LARGEST
    for path, read in own.items():
        content = found[path.relative_to(home)] = read()
        room -= len(content)
        if room < 0:
            raise ValueError(f"paket {LARGEST // 1_000_000} MB'tan büyük")
    return found


def _of_folder(folder: Path, package: str) -> Files:
    """Only those of the package where it lies as in a project: beside it there may be a whole environment.
    No link is followed out of the folder."""
    usual = [home for home in (folder / "src" / package, folder / package) if home.is_dir()]
    return {
        PurePosixPath(folder.name, path.relative_to(folder).as_posix()): path.read_bytes
        for home in usual or [folder]
        for path in package_files(home)
        if path.resolve().is_relative_to(folder.resolve())
    }


def _of_zip(archive: zipfile.ZipFile) -> Files:
    def reader(info: zipfile.ZipInfo) -> Callable[[], bytes]:
        def read() -> bytes:
            with archive.open(info) as stream:
                return stream.read(LARGEST + 1)

        return read

    return {
        PurePosixPath(info.filename): reader(info)
        for info in archive.infolist()
        if not info.is_dir() and _is_harmless(info.filename)
    }


def _is_harmless(name: str) -> bool:
    """Whether a zip's name stays within the folder into which it is unpacked."""
    parts = name.split("/")
    return not name.startswith("/") and not {"..", ""} & set(parts) and not any(c in name for c in "\\:\0")
