"""The list of the class: who handed nothing in, and who handed in without being on it.

A name in a file is compared without capitals, accents and the order of its words, because
platforms write it in their own way (`yilmazayse`). Not here: how late somebody is (marks.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, permutations
from pathlib import Path

from odev.course.course import CourseError
from odev.course.turkish import fold, latin, sort_key
from odev.instructor.csv_files import read_table
from odev.instructor.plain_text import plain
from odev.instructor.submission import Submission

_NAMES = {"ad soyad", "adı soyadı", "öğrenci", "isim", "name", "full name", "fullname", "student", "ad-soyad"}
_FIRST = {"ad", "adı", "adi", "first name", "firstname"}
_LAST = {"soyad", "soyadı", "soyadi", "last name", "lastname", "surname"}
_NUMBERS = {"no", "numara", "öğrenci no", "ogrenci no", "öğrenci numarası", "id", "id number", "number"}
_MAILS = {"e-posta", "eposta", "e-posta adresi", "email", "e-mail", "email address", "mail"}
_DAYS = {"gecikme", "gün", "days", "late days"}
_MOST_WORDS = 5  # of a name whose words are tried in every order
NOTHING = "teslim yok"


@dataclass(frozen=True, slots=True)
class Student:
    """`days` is how many days late this student counts as; None where the file's time decides."""

    name: str
    number: str = ""
    mail: str = ""
    days: float | None = None

    @property
    def keys(self) -> set[str]:
        """What a file of this student may be called, folded."""
        words = self.name.split()
        orders = (
            permutations(words) if len(words) <= _MOST_WORDS else [tuple(words), (words[-1], *words[:-1])]
        )
        keys = {_key("".join(order)) for order in orders}
        return {key for key in (*keys, _key(self.number), _key(self.mail.partition("@")[0])) if key}


def _key(text: str) -> str:
    """Without accents and spaces; a name in another script stays in it."""
    return latin(text) or "".join(fold(text).split())


def read_roster(path: Path) -> list[Student]:
    """The students of a CSV: with a header (name, number, e-mail, days late, in Turkish or English), or one
    name a line. CourseError when there is none."""
    rows = read_table(path)
    header = {latin(cell): at for at, cell in reversed(list(enumerate(rows[0] if rows else [])))}

    def column(names: Iterable[str]) -> int | None:
        return next((header[latin(name)] for name in sorted(names) if latin(name) in header), None)

    name, first, last = column(_NAMES), column(_FIRST), column(_LAST)
    if name is None and first is None:
        students = [Student(plain(row[0])) for row in rows if row and plain(row[0])]
        if not all(any(map(str.isalpha, student.name)) for student in students):
            raise CourseError(f"{path}: isim sütunu bulunamadı; ilk satıra başlık yaz: ad soyad; no; e-posta")
    else:
        columns = [column(names) for names in (_NUMBERS, _MAILS, _DAYS)]
        students = []
        for row in rows[1:]:
            number, mail, days = (
                plain(row[at]) if at is not None and at < len(row) else "" for at in columns
            )
            parts = [
                row[at]
                for at in ((name,) if name is not None else (first, last))
                if at is not None and at < len(row)
            ]
            if plain(" ".join(parts)):
                students.append(Student(plain(" ".join(parts)), number, mail, _days(days, path)))
    if not students:
        raise CourseError(f"{path} içinde hiç isim yok")
    return students


def _days(text: str, path: Path) -> float | None:
    if not text:
        return None
    try:
        days = float(text.replace(",", "."))
    except ValueError:
        days = -1.0
    if not 0 <= days < 10_000:
        raise CourseError(f"{path}: gecikme bir gün sayısı olmalı, {text!r} değil")
    return days


def with_roster(
    submissions: Sequence[Submission], roster: Sequence[Student]
) -> tuple[list[Submission], dict[str, Student]]:
    """The submissions with the roster's names, with an empty one for each student who handed nothing in; and
    the students by these names. Who is not on the roster has a warning."""
    owners: dict[str, list[Student]] = {}
    roster = list(dict.fromkeys(roster))  # who is in it twice is one student
    for student in roster:
        for key in student.keys:
            owners.setdefault(key, []).append(student)
    of_student: dict[Student, list[Submission]] = {}
    strangers: list[Submission] = []
    for submission in submissions:
        match = _student(submission, owners)
        if match is None:
            warning = "listede böyle biri yok (ya da birden çok kişiye uyuyor)"
            strangers.append(replace(submission, warnings=(*submission.warnings, warning)))
        else:
            of_student.setdefault(match, []).append(submission)
    kept = [*strangers, *(one for own in of_student.values() if len(own) > 1 for one in own)]
    listed: list[Submission] = []
    students: dict[str, Student] = {}
    for student, name in _names(roster, [one.name for one in kept]).items():
        own = of_student.get(student, [])
        if len(own) == 1:
            listed.append(replace(own[0], name=name))
        elif own:  # which one counts, the instructor decides
            listed += [
                replace(one, warnings=(*one.warnings, f"listede tek kişi, ama {len(own)} teslim: {name}"))
                for one in own
            ]
        else:
            listed.append(Submission(name, {}, (NOTHING,)))
        students |= {one.name: student for one in own} if len(own) > 1 else {name: student}
    return sorted([*listed, *strangers], key=lambda one: sort_key(one.name)), students


def _names(roster: Sequence[Student], others: Iterable[str]) -> dict[Student, str]:
    """Each student's name, with the number, the address or a count where others have the same one."""
    taken = set(map(fold, others))
    known = Counter(fold(student.name) for student in roster)
    names: dict[Student, str] = {}
    for student in roster:
        labels = filter(None, chain((student.number, student.mail), map(str, count(2))))
        alone = [student.name] if known[fold(student.name)] == 1 else []
        candidates = chain(alone, (f"{student.name} ({label})" for label in labels))
        names[student] = next(name for name in candidates if fold(name) not in taken)
        taken.add(fold(names[student]))
    return names


def _student(submission: Submission, owners: dict[str, list[Student]]) -> Student | None:
    """The one student whom the whole name is of, else the one whom a word or number in it is of."""
    whole = owners.get(_key(submission.name), [])
    if len(whole) == 1:
        return whole[0]
    words = [_key(word) for word in re.split(r"[\s_\-.()]+", submission.name)]
    numbers = {student for word in words if word.isdigit() for student in owners.get(word, [])}
    if len(numbers) == 1:
        return numbers.pop()
    ends = range(len(words) + 1)
    runs = {"".join(words[start:end]) for start in ends for end in ends[start + 2 :]}
    found = {student for run in runs for student in owners.get(run, [])}
    return found.pop() if len(found) == 1 and not whole else None
