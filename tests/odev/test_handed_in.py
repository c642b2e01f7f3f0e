"""Who handed in what: the layouts of platforms and browsers, and what students put into them."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import mini_course as mini
from odev.instructor.handed_in import find_submissions
from odev.instructor.plain_text import safe_file_name
from odev.instructor.submission import Submission, read_submission

NEW = 1_800_000_000
GREET, COUNT = mini.notebook(mini.GOOD_GREET), mini.notebook(mini.GOOD_COUNT)
WRONG = mini.notebook(mini.WRONG["1.1_no_name"])


def read(*paths: Path, single: bool = False) -> dict[str, Submission]:
    return {name: read_submission(one) for name, one in find_submissions(paths, single=single).items()}


def tasks(submissions: Mapping[str, Submission]) -> dict[str, list[str]]:
    return {name: sorted(map(str, one.cells)) for name, one in submissions.items()}


def put(path: Path, text: str, time: int = NEW) -> None:
    mini.write(path, text)
    os.utime(path, (time, time))


def packed(files: Mapping[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


MOODLE_FOLDERS = {
    "Ayşe Yılmaz_101_assignsubmission_file/01.ipynb": GREET,
    "Ali Öz_102_assignsubmission_file_/ödev/02.ipynb": COUNT,  # as before Moodle 4.1
    "Ali Öz_103_assignsubmission_file/odev.zip": packed({"01.ipynb": GREET}),
    "Boş Kişi_104_assignsubmission_file/rapor.pdf": "%PDF",
}
MOODLE_FLAT = {
    "Ayşe Yılmaz_101_assignsubmission_file_01.ipynb": GREET,
    "Ali Öz_102_assignsubmission_file_02_sayma.ipynb": COUNT,
    "Ali Öz_103_assignsubmission_file_odev.zip": packed({"01.ipynb": GREET}),
    "Boş Kişi_104_assignsubmission_file_rapor.pdf": "%PDF",
}


@pytest.mark.parametrize("unpacked", [True, False])
@pytest.mark.parametrize("files", [MOODLE_FOLDERS, MOODLE_FLAT], ids=["folders", "flat"])
def test_moodles_zip_is_a_class_and_names_come_from_it(
    tmp_path: Path, files: Mapping[str, str | bytes], unpacked: bool
) -> None:
    path = tmp_path / "DERS-Ödev 1-5511.zip"
    path.write_bytes(packed(files))
    if unpacked:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "in")
        path = tmp_path / "in"
    submissions = read(path)
    assert tasks(submissions) == {
        "Ali Öz (102)": ["1.2"],
        "Ali Öz (103)": ["1.1"],
        "Ayşe Yılmaz": ["1.1"],
        "Boş Kişi": [],
    }
    assert [one.upload.id for one in submissions.values() if one.upload] == ["102", "103", "101", "104"]
    assert submissions["Boş Kişi"].warnings == ("içinde hiç notebook yok", "sayılmayan dosyalar: rapor.pdf")


def test_canvas_files_are_grouped_by_student_and_late_is_seen(tmp_path: Path) -> None:
    files = {
        "yilmazayse_501_9001_01_hata.ipynb": WRONG,
        "yilmazayse_501_9002_01_hata-1.ipynb": GREET,  # handed in again
        "yilmazayse_501_9003_02_sayma.ipynb": COUNT,
        "ozali_LATE_502_9004_01_hata.ipynb": GREET,
    }
    (tmp_path / "submissions.zip").write_bytes(packed(files))
    submissions = read(tmp_path / "submissions.zip")
    assert tasks(submissions) == {"ozali": ["1.1"], "yilmazayse": ["1.1", "1.2"]}
    late = {name: one.upload is not None and one.upload.late for name, one in submissions.items()}
    assert late == {"ozali": True, "yilmazayse": False}
    cell = next(cell for id, cell in submissions["yilmazayse"].cells.items() if str(id) == "1.1")
    assert cell.source == mini.GOOD_GREET
    assert "sayılmayan dosyalar: 01_hata.ipynb" in submissions["yilmazayse"].warnings


@pytest.mark.parametrize(
    "name",
    [
        "01 (1).ipynb",
        "01.ipynb.json",
        "01.ipynb.txt",
        "01.ipynb (2).json",
        "01-Copy1.ipynb",
        "01 Kopya.ipynb",
    ],
)
def test_names_that_browsers_make_are_notebooks(tmp_path: Path, name: str) -> None:
    put(tmp_path / "in" / "ayşe" / name, GREET)
    assert tasks(read(tmp_path / "in")) == {"ayşe": ["1.1"]}


def test_the_newest_file_counts_and_every_other_one_is_named(tmp_path: Path) -> None:
    put(tmp_path / "in" / "ayşe" / "01 (1).ipynb", WRONG, NEW - 60)
    put(tmp_path / "in" / "ayşe" / "01.ipynb", GREET, NEW)
    put(tmp_path / "in" / "ayşe" / "notlar.docx", "x")
    (submission,) = read(tmp_path / "in").values()
    assert [cell.source for cell in submission.cells.values()] == [mini.GOOD_GREET]
    assert submission.time == NEW
    assert submission.warnings == (
        "1.1 numaralı görev birden çok kez var, sonuncusu sayıldı (01.ipynb)",
        "sayılmayan dosyalar: 01 (1).ipynb, notlar.docx",
    )


def test_of_files_of_the_same_time_the_later_copy_counts(tmp_path: Path) -> None:
    put(tmp_path / "in" / "ayşe" / "01 (2).ipynb", GREET)
    put(tmp_path / "in" / "ayşe" / "01 (10).ipynb", mini.notebook(mini.GOOD_GREET + "# son\n"))
    put(tmp_path / "in" / "ayşe" / "01.ipynb", WRONG)
    (submission,) = read(tmp_path / "in").values()
    assert [cell.source for cell in submission.cells.values()] == [mini.GOOD_GREET + "# son\n"]


def test_loose_copies_of_one_students_file_are_one_student(tmp_path: Path) -> None:
    put(tmp_path / "ali.ipynb", WRONG, NEW - 60)
    put(tmp_path / "ali (1).ipynb", GREET, NEW)
    put(tmp_path / "veli.ipynb", GREET)
    assert list(read(tmp_path)) == ["ali", "veli"]


def test_loose_files_named_after_the_lesson_stay_apart(tmp_path: Path) -> None:
    """Two students sent the same name by mail; the browser numbered them."""
    for name in ("01_hata.ipynb", "01_hata (1).ipynb"):
        put(tmp_path / name, GREET)
    assert list(read(tmp_path)) == ["01_hata", "01_hata (1)"]


@pytest.mark.parametrize("before", ["", "teslimler/"])
def test_a_zip_with_many_students_is_a_class(tmp_path: Path, before: str) -> None:
    files = {f"{before}{name}/01.ipynb": GREET for name in ("ayşe", "ali", "şule")}
    (tmp_path / "teslimler.zip").write_bytes(packed(files))
    assert list(read(tmp_path / "teslimler.zip")) == ["ali", "ayşe", "şule"]
    assert list(read(tmp_path)) == ["ali", "ayşe", "şule"]
    assert list(read(tmp_path / "teslimler.zip", single=True)) == ["teslimler"]


@pytest.mark.parametrize(
    "names",
    [
        ("01.ipynb", "02.ipynb"),
        ("ders1/01.ipynb", "ders2/02.ipynb"),
        ("lessons/01.ipynb", "eski/01.ipynb"),
        ("01_hata.ipynb", "01_hata (1).ipynb"),
    ],
)
def test_a_zip_of_one_students_files_is_one_submission(tmp_path: Path, names: tuple[str, str]) -> None:
    notebooks = (GREET, COUNT if "02" in names[1] else GREET)
    (tmp_path / "ayşe.zip").write_bytes(packed(dict(zip(names, notebooks, strict=True))))
    put(tmp_path / "veli.ipynb", GREET)
    assert list(read(tmp_path)) == ["ayşe", "veli"]
    assert list(read(tmp_path / "ayşe.zip")) == ["ayşe"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("ayşe.rar", b"Rar!", "ayşe.rar açılamıyor: .zip olarak yeniden istenmeli"),
        ("ayşe.7z", b"7z", "ayşe.7z açılamıyor: .zip olarak yeniden istenmeli"),
        ("ayşe.tar.gz", b"\x1f\x8b", "ayşe.tar.gz açılamıyor: .zip olarak yeniden istenmeli"),
        ("ayşe.zip", packed({}), "ayşe.zip boş"),
        ("ayşe.zip", b"", "ayşe.zip açılamadı: bozuk ya da aslında zip değil"),
        (
            "ayşe.zip",
            packed({"odev.rar": b"Rar!"}),
            "ayşe.zip/odev.rar açılamıyor: .zip olarak yeniden istenmeli",
        ),
    ],
)
def test_what_cannot_be_opened_is_a_submission_with_its_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    put(tmp_path / "veli.ipynb", GREET)
    submission = next(one for key, one in read(tmp_path).items() if key.startswith("ayşe"))
    assert submission.cells == {}
    assert submission.warnings == (reason,)


def test_one_broken_entry_of_a_zip_costs_itself_alone(tmp_path: Path) -> None:
    content = bytearray(packed({"01.ipynb": GREET, "02.ipynb": COUNT}))
    content[60:70] = b"##########"  # in the first entry's content
    (tmp_path / "ayşe.zip").write_bytes(content)
    (submission,) = read(tmp_path / "ayşe.zip").values()
    assert sorted(map(str, submission.cells)) == ["1.2"]
    assert "ayşe.zip/01.ipynb açılamadı" in submission.warnings[0]


def test_a_zip_of_an_old_windows_keeps_its_turkish_names(tmp_path: Path) -> None:
    content = packed({"Sule Ogut_101_assignsubmission_file/x.ipynb": GREET})
    content = content.replace(b"Sule Ogut", "Şule Öğüt".encode("cp857"))
    (tmp_path / "sınıf.zip").write_bytes(content)
    assert list(read(tmp_path / "sınıf.zip")) == ["Şule Öğüt"]


def test_the_time_is_when_the_zip_was_handed_in_not_what_is_written_in_it(tmp_path: Path) -> None:
    path = tmp_path / "in" / "ayşe.zip"
    path.parent.mkdir()
    path.write_bytes(packed({"01.ipynb": GREET}))
    os.utime(path, (NEW, NEW))
    (submission,) = read(path).values()
    assert submission.time == NEW


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "class.zip").write_bytes(packed({"\x1b[2Jali_7_assignsubmission_file_01.ipynb": GREET}))
    (name,) = read(tmp_path / "class.zip")
    assert name.isprintable()


def test_rows_are_in_turkish_order(tmp_path: Path) -> None:
    for name in ("zeki", "şule", "sena", "ırmak", "ipek", "çağla", "cem"):
        put(tmp_path / name / "01.ipynb", GREET)
    assert list(read(tmp_path)) == ["cem", "çağla", "ırmak", "ipek", "sena", "şule", "zeki"]


def test_no_two_students_share_the_name_of_a_file(tmp_path: Path) -> None:
    long = ("x" * 240 + "1", "x" * 240 + "2", "漢" * 84 + "1", "漢" * 84 + "2", "😀" * 60, "😀" * 61)
    names = ("a*b", "a?b", "A-B", "veli", "veli.", *long)
    for name in names:
        mini.submission(tmp_path / "in" / name, mini.GOOD_GREET)
    files = {safe_file_name(name).casefold() for name in find_submissions([tmp_path / "in"])}
    assert len(files) == len(names)
    assert max(len(os.fsencode(f"{file}.json.new")) for file in files) <= 255
