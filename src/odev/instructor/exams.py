"""The exam of a class: each package that was handed in goes through the day of odev.exam.

Its points stand beside those of the tasks, and are no part of them. A result is kept as a file, and used
again while the package and the exam are unchanged. Not here: the exam itself (exam/), a package's files
(exam/installed.py).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from odev.course.course import Course, CourseError
from odev.course.files import replace_text, temporary_folder
from odev.course.package_files import package_files
from odev.exam import run
from odev.exam.installed import LARGEST, package_in
from odev.exam.lane import Busy
from odev.exam.lines import ALL_POINTS
from odev.exam.report import Exam
from odev.grading.course_files import Watched
from odev.grading.grader import default_jobs, judging_pool
from odev.instructor.files import HandedInFile, files_in_zip
from odev.instructor.marks import TakenExam
from odev.instructor.plain_text import safe_file_name
from odev.instructor.reader import why_not
from odev.instructor.submission import Submission
from odev.instructor.uploads import is_zip

Package = Mapping[PurePosixPath, bytes]
_NO_PACKAGE = "teslimde paket yok"
_ROOMS = ("exam", "classroom")  # of the course tool: what the points depend on, besides the package


def take_exams(
    course: Course,
    submissions: Sequence[Submission],
    out: Path,
    *,
    jobs: int | None = None,
    progress: Callable[[int], None] = lambda total: None,
) -> dict[str, TakenExam]:
    """The exam of each submission, by its name. `progress` is called after each with the number of all.

    Half as many at a time as `jobs`, for an exam is a server and a program. CourseError when the course's
    files change meanwhile.
    """
    folder = out / "exams"
    folder.mkdir(parents=True, exist_ok=True)
    files = Watched(course)
    taken: dict[str, TakenExam] = {}
    with judging_pool(max(1, (jobs or default_jobs()) // 2)) as pool:
        futures = {
            pool.submit(_take, course, one, folder / f"{safe_file_name(one.name)}.json"): one
            for one in submissions
        }
        for future in as_completed(futures):
            taken[futures[future].name] = future.result()
            progress(len(futures))
            if files.changed():
                raise CourseError(
                    "Sınavlar sürerken kursun dosyaları değişti, hiçbir not yazılmadı. Dosyaları geri al, "
                    "sonra yeniden puanla."
                )
    return taken


def _take(course: Course, submission: Submission, file: Path) -> TakenExam:
    try:
        package = package_of(submission.files, course.package)
    except Exception as error:  # of a zip, which can raise almost anything
        return TakenExam(0, ALL_POINTS, (why_not("paket", error),))
    if not package:
        return TakenExam(0, ALL_POINTS, (_NO_PACKAGE,))
    key = _key(package)
    if (earlier := _load(file, key)) is not None:
        return earlier
    try:
        taken = _taken(_exam(course, package))
    except Busy as busy:
        return TakenExam(0, ALL_POINTS, (str(busy),), judged=False)
    except OSError as error:
        return TakenExam(0, ALL_POINTS, (why_not("paket", error),))
    replace_text(file, json.dumps({"key": key, "exam": asdict(taken)}, ensure_ascii=False, indent=1))
    return taken


def package_of(files: Sequence[HandedInFile], package: str) -> Package:
    """The package among these files, else the one in a zip among them; nothing where there is none."""
    found = package_in({file.path: partial(_content, file) for file in files}, package)
    for file in files:
        if not found and is_zip(file.path.name):
            inside = files_in_zip(partial(io.BytesIO, _content(file)))
            found = package_in({one.path: partial(_content, one) for one in inside}, package)
    return found


def _content(file: HandedInFile) -> bytes:
    with file.open_bytes() as stream:
        return stream.read(LARGEST + 1)


def _exam(course: Course, package: Package) -> Exam:
    with temporary_folder() as folder:
        for path, content in package.items():
            target = folder / course.package / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return run(folder, compare=False, course=course)


def _taken(exam: Exam) -> TakenExam:
    lost = (f"{line.title}: {line.package.text}" for line in exam.lines if not line.package.passed)
    return TakenExam(exam.score, exam.points, (*lost, *exam.problems))


def _key(package: Package) -> str:
    digest = hashlib.sha256()
    tool = Path(__file__).parents[1]
    parts = [(str(path), package[path]) for path in sorted(package)]
    parts += [(str(path), path.read_bytes()) for room in _ROOMS for path in package_files(tool / room)]
    for name, content in parts:
        digest.update(f"{len(name)} {name} {len(content)} ".encode("utf-8", "surrogatepass") + content)
    return digest.hexdigest()


def _load(file: Path, key: str) -> TakenExam | None:
    """None for a file that is not there or not right, or of another package."""
    try:
        saved: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        fields = saved["exam"]
        taken = TakenExam(**{**fields, "reasons": tuple(fields["reasons"])})
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return taken if saved["key"] == key else None
