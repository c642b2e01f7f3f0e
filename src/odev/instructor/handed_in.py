"""Finds who handed in what: folders, zips and notebooks, in the layouts of different platforms.

Not here: what platforms' names mean (uploads.py), the cells in the files (submission.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from odev.course.cells import TaskId
from odev.course.course import CourseError
from odev.course.turkish import sort_key
from odev.instructor.files import HandedInFile, TooManyFiles, files_in, files_in_zip
from odev.instructor.plain_text import harmless_name, plain
from odev.instructor.reader import Reader, why_not
from odev.instructor.uploads import Upload, is_archive, is_notebook, is_of_a_lesson, is_zip, owner, upload

_LONGEST_NAME = 40  # characters of up to four bytes, where a number is to stand behind it


@dataclass(frozen=True, slots=True)
class HandedIn:
    """All files of one student. `label` tells two students of one name apart; `problem` (Turkish) says why
    there are no files."""

    name: str
    files: tuple[HandedInFile, ...]
    upload: Upload | None = None
    label: str = ""
    problem: str = ""


def find_submissions(
    paths: Iterable[Path], out: Path | None = None, *, single: bool = False
) -> dict[str, HandedIn]:
    """What was handed in, by the student's name, in Turkish order.

    A notebook, a zip and a folder with one student's notebooks are a submission, and with `single` every path
    is one. In any other folder, and in a zip that holds several students', each folder, zip and notebook is
    one, except `out`; what a platform or a browser has named after the same student is one. CourseError when
    a path does not exist, or is `out` itself.
    """
    found: list[HandedIn] = []
    for path in dict.fromkeys(paths):
        if not path.is_file() and not path.is_dir():
            raise CourseError(f"{plain(str(path))} diye bir dosya ya da klasör yok")
        if out is not None and path.resolve() == out.resolve():  # the results would be students the next time
            raise CourseError(f"{plain(str(path))} teslimlerin klasörü; sonuçlar için başka bir --out ver")
        found += [handed_in(path)] if single else _found_at(path, out)
    return _by_name(_joined(found))


def handed_in(path: Path) -> HandedIn:
    """All that this path holds, as one student's."""
    name = plain(path.resolve().name)
    of = upload(name)
    student = of[0].name if of else name if path.is_dir() else owner(name)
    try:
        files = files_in(path)
    except (OSError, TooManyFiles) as error:
        return HandedIn(student, (), of[0] if of else None, name, why_not(name, error))
    if of is not None and not path.is_dir():
        files = tuple(replace(file, path=PurePosixPath(of[1] or name)) for file in files)
    return HandedIn(student, files, of[0] if of else None, name)


def _found_at(path: Path, out: Path | None) -> Sequence[HandedIn]:
    if path.is_file():
        return _students_in_zip(path, least=2) if is_zip(path.name) else [handed_in(path)]
    children = [child for child in path.iterdir() if _may_be_submission(child)]
    children = [child for child in children if out is None or child.resolve() != out.resolve()]
    if _is_submission(path, children):
        return [handed_in(path)]
    found: list[HandedIn] = []
    for child in sorted(children):
        if child.is_file() and is_zip(child.name) and upload(child.name) is None:
            found += _students_in_zip(child, least=2 if len(children) == 1 else 3)
        else:
            found.append(handed_in(child))
    return found


def _may_be_submission(path: Path) -> bool:
    name = path.name
    if name.startswith((".", "__")) or path.is_symlink():
        return False
    known = is_notebook(name) or is_zip(name) or is_archive(name) or upload(name) is not None
    return path.is_dir() or (path.is_file() and known)


def _is_submission(path: Path, children: Sequence[Path]) -> bool:
    if (path / "lessons").is_dir() or upload(path.name) is not None:
        return True
    if any(upload(child.name) is not None for child in children):
        return False
    loose = [child for child in children if child.is_file() and is_notebook(child.name)]
    others = [child for child in children if child not in loose]
    if any(child.is_file() or any(map(_is_read, handed_in(child).files)) for child in others):
        return False
    tasks = [task for child in loose for task in _tasks(handed_in(child).files)]
    return len(tasks) == len(set(tasks)) or len(loose) < 2  # the same task twice: two students


def _is_read(file: HandedInFile) -> bool:
    return is_notebook(file.path.name) or is_zip(file.path.name)


def _students_in_zip(path: Path, *, least: int) -> Sequence[HandedIn]:
    """The zip's students, if it is one of a class: a platform has named its files, or as many folders, zips
    or notebooks as `least` have the same task. Else it is one student's."""
    whole = handed_in(path)
    groups: dict[str, list[HandedInFile]] = {}
    try:
        inside = files_in_zip(whole.files[0].open_bytes)
    except Exception:  # a broken zip can raise almost anything in zipfile; reading it says so
        return [whole]
    for file in _without_common_folder(inside):
        groups.setdefault(file.path.parts[0], []).append(file)
    if "lessons" in groups:
        return [whole]
    if any(upload(name) is not None for name in groups):
        read = [name for name in groups if upload(name) is not None or any(map(_is_read, groups[name]))]
    else:
        read = [
            name for name in groups if any(map(_is_read, groups[name])) and not _is_loose_lesson(groups, name)
        ]
        by_owner: dict[str, set[TaskId]] = {}
        for name in read:
            by_owner.setdefault(owner(name), set()).update(_tasks(groups[name]))
        tasks = [task for own in by_owner.values() for task in own]
        if max(map(tasks.count, tasks), default=0) < least:
            return [whole]
    return [_in_zip(name, groups[name]) for name in sorted(read)]


def _without_common_folder(files: Sequence[HandedInFile]) -> Sequence[HandedInFile]:
    while files:
        first = files[0].path.parts[0]
        if first == "lessons" or upload(first) is not None:
            break
        if any(len(file.path.parts) < 2 or file.path.parts[0] != first for file in files):
            break
        files = [replace(file, path=PurePosixPath(*file.path.parts[1:])) for file in files]
    return files


def _is_loose_lesson(groups: Mapping[str, Sequence[HandedInFile]], name: str) -> bool:
    return is_of_a_lesson(name) and len(groups[name][0].path.parts) == 1


def _in_zip(name: str, files: Sequence[HandedInFile]) -> HandedIn:
    of = upload(name)
    is_folder = len(files[0].path.parts) > 1
    student = of[0].name if of else name if is_folder else owner(name)
    if is_folder:
        own = tuple(replace(file, path=PurePosixPath(*file.path.parts[1:])) for file in files)
    else:
        own = tuple(replace(file, path=PurePosixPath(of[1] if of else name)) for file in files)
    return HandedIn(student, own, of[0] if of else None, name)


def _tasks(files: Iterable[HandedInFile]) -> set[TaskId]:
    notebooks, _ = Reader().read(files)
    return {cell.id for notebook in notebooks for cell in notebook.cells}


def _joined(found: Sequence[HandedIn]) -> Iterator[HandedIn]:
    """One for each student: what has the same platform's id, and copies that a browser has named."""
    students: dict[object, HandedIn] = {}
    for one in found:
        of = one.upload
        loose = len(one.files) == 1 and is_notebook(one.label)
        key: object = (of.platform, of.id) if of else ("loose", one.name) if loose else object()
        earlier = students.get(key)
        if earlier is None:
            students[key] = one
            continue
        late = earlier.upload and replace(earlier.upload, late=earlier.upload.late or bool(of and of.late))
        problem = ", ".join(filter(None, (earlier.problem, one.problem)))
        students[key] = replace(earlier, files=earlier.files + one.files, upload=late, problem=problem)
    return iter(students.values())


def _by_name(found: Iterable[HandedIn]) -> dict[str, HandedIn]:
    """By names of which no two become the same name of a file, whatever a file system makes of capitals."""
    in_order = sorted(found, key=lambda one: (sort_key(one.name), one.label))
    files = [_as_file(one.name) for one in in_order]
    by_name: dict[str, HandedIn] = {}
    taken: set[str] = set()
    for one in in_order:
        name = one.name
        if files.count(_as_file(name)) > 1:
            name = f"{name[:_LONGEST_NAME]} ({one.upload.id})" if one.upload else one.label
        number, base = 1, name[:_LONGEST_NAME]
        while _as_file(name) in taken:
            number += 1
            name = f"{base} ({number})"
        taken.add(_as_file(name))
        by_name[name] = replace(one, name=name)
    return {name: by_name[name] for name in sorted(by_name, key=sort_key)}


def _as_file(name: str) -> str:
    return harmless_name(name).casefold()
