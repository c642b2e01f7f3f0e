"""Reads the notebooks of one submission, as many bytes as there is room for.

One notebook at a time is in memory. Not here: which cells count (submission.py).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from zipfile import BadZipFile

from odev.course.cells import LARGEST_NOTEBOOK, Notebook, read_notebook, too_large
from odev.instructor.files import HandedInFile, TooManyFiles, files_in_zip
from odev.instructor.plain_text import plain
from odev.instructor.uploads import copy_number, is_archive, is_notebook, is_zip

_MOST_NOTEBOOKS = 200
_MOST_BYTES = 300_000_000  # of one submission's notebooks, unpacked
_DEEPEST = 2  # zips within each other
_SAME_TIME = 2  # seconds; a zip knows times no better


@dataclass(frozen=True, slots=True)
class Read(Notebook):
    """A notebook with its place among the others: a later one has a greater `age`.

    `time` is that of the file that was handed in: of the outermost zip, where it is in one.
    """

    age: tuple[object, ...] = ()
    time: float = 0.0


@dataclass
class Reader:
    """Reads one submission. Nothing is raised: what cannot be read is a problem, in Turkish."""

    room: int = field(default_factory=lambda: _MOST_BYTES)
    count: int = 0

    def read(self, files: Iterable[HandedInFile]) -> tuple[list[Read], list[str]]:
        """The notebooks, also those in a zip within, the newest last; and the names of all other files."""
        notebooks: list[Read] = []
        others: list[str] = []
        self._read(files, "", (), notebooks, others)
        return sorted(notebooks, key=lambda notebook: notebook.age), others

    def _read(
        self,
        files: Iterable[HandedInFile],
        before: str,
        times: Sequence[float],
        notebooks: list[Read],
        others: list[str],
    ) -> None:
        for file in files:
            name = f"{before}{file.path}"
            own = (*times, file.time // _SAME_TIME)
            age = (own, copy_number(file.path.name), name)
            time = times[0] * _SAME_TIME if times else file.time
            if is_notebook(file.path.name):
                notebook = self._notebook(file, name)
                notebooks.append(
                    Read(notebook.name, notebook.cells, notebook.problem, notebook.title, age, time)
                )
            elif is_zip(file.path.name) and len(times) < _DEEPEST:
                try:
                    inside = files_in_zip(
                        partial(io.BytesIO, self._content(file)) if file.packed else file.open_bytes
                    )
                    if not inside:
                        notebooks.append(Read(name, problem=f"{name} boş", age=age))
                    self._read(inside, f"{name}/", own, notebooks, others)
                except Exception as error:  # a broken zip can raise almost anything in zipfile
                    notebooks.append(Read(name, problem=why_not(name, error), age=age))
            elif is_archive(file.path.name):
                problem = f"{name} açılamıyor: .zip olarak yeniden istenmeli"
                notebooks.append(Read(name, problem=problem, age=age))
            else:
                others.append(name)

    def _notebook(self, file: HandedInFile, name: str) -> Notebook:
        """The notebook in this file; one that is too large is not even opened."""
        self.count += 1
        if self.count > _MOST_NOTEBOOKS:
            return Notebook(name, problem=f"{name} okunmadı: {_MOST_NOTEBOOKS} notebook'tan fazlası var")
        if file.size > min(LARGEST_NOTEBOOK, self.room):
            return too_large(name, file.size)
        try:
            return read_notebook(name, self._content(file))
        except Exception as error:  # of a zip's entry; or a file that went meanwhile
            return Notebook(name, problem=why_not(name, error))

    def _content(self, file: HandedInFile) -> bytes:
        """As many bytes as it says to have: a zip that says too little gives no notebook."""
        if file.size > self.room:
            raise TooManyFiles(f"çok büyük ({file.size // 1_000_000} MB)")
        self.room -= file.size
        with file.open_bytes() as stream:
            return stream.read(file.size)


def why_not(name: str, error: Exception) -> str:
    """Why this file could not be read, in Turkish."""
    if isinstance(error, BadZipFile):
        return f"{name} açılamadı: bozuk ya da aslında zip değil"
    if isinstance(error, TooManyFiles):
        return f"{name} açılmadı: {error}"
    if isinstance(error, RuntimeError) and "password" in str(error):
        return f"{name} açılamadı: parolalı"
    return f"{name} açılamadı: {plain(str(error))}"
