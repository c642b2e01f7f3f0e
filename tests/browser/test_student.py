"""A new student does a task of lesson 01 in a real JupyterLab, in a real browser.

Not among the tests that `python -m pytest` runs: it needs Debian's chromium (or any
other, named in CHROMIUM) and the dependency group dev. `.ci/run` runs it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
LESSON = "01_hata_yonetimi.ipynb"
PICTURES = Path(os.environ.get("PICTURES", ROOT / ".artefacts"))
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
         "disable-component-update", "disable-sync")  # fmt: skip
MINUTE = 60_000.0  # milliseconds
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden)"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a student has after cloning, to be written into."""
    folder: Path = tmp_path_factory.mktemp("clone")
    for name in ("lessons", "solutions", "src", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def address(clone: Path) -> Iterator[str]:
    """JupyterLab with the classroom, as `python -m odev lab` starts it; its address with the token."""
    settings = clone / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # All cells are in the page, not just those on the screen.
    (settings / "tracker.jupyterlab-settings").write_text(
        json.dumps({"windowingMode": "none"}), encoding="utf-8"
    )
    log = clone / "lab.log"
    with log.open("w", encoding="utf-8") as output:
        lab = subprocess.Popen(
            [sys.executable, "-m", "odev", "lab", "--no-browser", "--port", "0"],
            cwd=clone,
            stdout=output,
            stderr=output,
            env={
                **os.environ,
                "PYTHONPATH": str(clone / "src"),
                "JUPYTERLAB_SETTINGS_DIR": str(clone / "settings"),
                "HOME": str(clone),
            },
        )
    try:
        give_up = time.monotonic() + 60
        while not (
            address := re.search(
                r"http://127\.0\.0\.1:\d+/lab\S*\?token=\w+", log.read_text(encoding="utf-8")
            )
        ):
            assert lab.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < give_up, log.read_text(encoding="utf-8")
            time.sleep(0.2)
        yield address[0]
    finally:
        lab.terminate()
        lab.wait(30)


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Page]:
    """The page that the student's browser opens."""
    assert CHROMIUM, "no chromium here: install Debian's, or name one in CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[f"--{option}" for option in QUIET]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page.set_default_timeout(MINUTE)
        page.goto(address)
        yield page
        browser.close()


class Notebook:
    """The open notebook, by the ids of its cells."""

    def __init__(self, page: Page, ids: list[str]) -> None:
        self._page = page
        self._ids = ids
        expect(page.locator(f"{SHOWN} .jp-Cell")).to_have_count(len(ids), timeout=MINUTE)
        self._wait()

    def cell(self, id: str) -> Locator:
        return self._page.locator(f"{SHOWN} .jp-Cell").nth(self._ids.index(id))

    def run(self, id: str) -> None:
        """With Shift+Enter, until the kernel is idle again."""
        self.cell(id).locator(".jp-Cell-inputWrapper").first.click()
        self._page.keyboard.press("Shift+Enter")
        self._wait()

    def write(self, id: str, code: str) -> None:
        """In place of what the cell holds."""
        self.cell(id).locator(".cm-content").click()
        self._page.keyboard.press("Control+A")
        self._page.keyboard.insert_text(code)

    def output(self, id: str) -> Locator:
        return self.cell(id).locator(".jp-Cell-outputWrapper")

    def _wait(self) -> None:
        self._page.wait_for_timeout(200)  # the kernel has to be asked first
        idle = self._page.locator(f"{SHOWN} .jp-Notebook-ExecutionIndicator[data-status=idle]")
        expect(idle.first).to_be_visible(timeout=2 * MINUTE)


def wrong_answer(name: str) -> tuple[str, str]:
    """The cell, and the words that its hint must have."""
    tag, hint, *code = (ROOT / "tests" / "wrong_answers" / name).read_text(encoding="utf-8").splitlines()
    return "\n".join([tag, *code]), hint.removeprefix("# hint: ")


def right_answer(tag: str) -> str:
    """The cell as the solutions have it."""
    cells = json.loads((ROOT / "solutions" / LESSON).read_text(encoding="utf-8"))["cells"]
    return next(source for cell in cells if (source := "".join(cell["source"])).startswith(tag))


@pytest.mark.timeout(300)
def test_the_lab_opens_lesson_00_and_asks_nothing(page: Page) -> None:
    expect(page.locator(".jp-Notebook h1").first).to_contain_text("Başlangıç", timeout=MINUTE)
    page.wait_for_timeout(5_000)  # a question about news would come by now
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "lab.png")
    expect(page.locator(".Toastify__toast, .jp-toast")).to_have_count(0)
    expect(page.locator(".jp-Dialog")).to_have_count(0)


@pytest.mark.timeout(600)
def test_a_student_fails_the_check_reads_the_hint_and_passes(page: Page, address: str) -> None:
    page.goto(re.sub(r"/lab/tree/[^?]*", f"/lab/tree/lessons/{LESSON}", address))
    cells = json.loads((ROOT / "lessons" / LESSON).read_text(encoding="utf-8"))["cells"]
    ids = [cell["id"] for cell in cells]
    task, trial, check = "gorev-1-1", "gorev-1-1-dene", "gorev-1-1-kontrol"
    notebook = Notebook(page, ids)

    for id in ids[: ids.index(check) + 1]:  # open and run, with nothing written
        notebook.run(id)
    expect(notebook.output(trial)).to_contain_text("henüz yazılmadı")
    expect(notebook.output(check)).to_contain_text("henüz yazılmadı")
    expect(notebook.output(check)).to_contain_text("0/6")

    wrong, hint = wrong_answer("1.1_status_before_code.py")
    notebook.write(task, wrong)
    notebook.run(task)
    notebook.run(check)
    expect(notebook.output(check)).to_contain_text("0/6")
    expect(notebook.output(check)).to_contain_text(hint)
    expect(notebook.output(check)).to_contain_text("tanesi geçti")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "lesson-01-hint.png")

    notebook.write(task, right_answer("#| odev 1.1 "))
    notebook.run(task)
    notebook.run(trial)
    notebook.run(check)
    expect(notebook.output(trial)).to_contain_text("QuotaExhausted")
    expect(notebook.output(check)).to_contain_text("6/6")
    page.screenshot(path=PICTURES / "lesson-01-passed.png")
