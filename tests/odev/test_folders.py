"""The commands in folders with Turkish names, also where the environment knows ASCII only (LANG=C)."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mini_course as mini
from odev.course.course import Course
from odev.course.files import replace_text

SRC = Path(__file__).parents[2] / "src"
ENVIRONMENTS = {
    "UTF-8": {"PYTHONUTF8": "1"},
    "LANG=C": {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LANG": "C", "LC_ALL": "C"},
    "cp1254": {"PYTHONIOENCODING": "cp1254"},
}

in_each = pytest.mark.parametrize("environment", ENVIRONMENTS)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    course = mini.mini_course(tmp_path / "ödev şık ağ ı" / "kurs")
    mini.write(
        course.root / "pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["-podev.pytest_plugin"]\n'
    )
    return course


def odev(course: Course, environment: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "odev", *arguments],
        cwd=course.root,
        env={
            **os.environ,
            "PYTHONPATH": str(SRC),
            "COLUMNS": "150",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **ENVIRONMENTS[environment],
        },
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert b"Error" not in done.stderr, done.stderr.decode("utf-8", "replace")
    return done


@in_each
def test_a_lesson_is_checked(course: Course, environment: str) -> None:
    mini.write(course.lessons / "01_words.ipynb", mini.notebook(mini.GOOD_GREET, mini.GOOD_COUNT))
    done = odev(course, environment, "check", "1")
    assert b"10/10 puan" in done.stdout
    assert done.returncode == 0


@in_each
def test_a_submission_is_graded(course: Course, environment: str) -> None:
    mini.submission(course.root.parent / "teslimler" / "Gülşah Iğdır", mini.GOOD_GREET, mini.GOOD_COUNT)
    odev(course, environment, "grade", "../teslimler", "--out", "../çıktı", "--gradescope")
    out = course.root.parent / "çıktı"
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["score"]) == ("Gülşah Iğdır", "10")
    assert (out / "gradescope" / "Gülşah Iğdır" / "results.json").is_file()


@in_each
def test_a_release_and_a_package_are_made(course: Course, environment: str) -> None:
    mini.write(
        course.root / "pyproject.toml",
        '[project]\nname = "x"\nversion = "1"\ndependencies = []\n'
        '[tool.pytest.ini_options]\naddopts = ["-podev.pytest_plugin"]\n',
    )
    assert odev(course, environment, "release", "--out", "../dağıtım.zip").returncode == 0
    assert odev(course, environment, "package", "../paketim şık").returncode == 0
    assert (course.root.parent / "dağıtım.zip").is_file()
    assert (course.root.parent / "paketim şık" / "src" / "safechat" / "words.py").is_file()


def test_two_that_write_one_file_at_once_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def slow_replace(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "replace", replace)
        replace_text(tmp_path / "x.json", "of another process")
        replace(source, target)

    monkeypatch.setattr(os, "replace", slow_replace)
    replace_text(tmp_path / "x.json", "text")
    assert [path.read_text("utf-8") for path in tmp_path.iterdir()] == ["text"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(OSError, match="x"):
        replace_text(tmp_path / "x.json", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
