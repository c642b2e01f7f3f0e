"""A small course that tests write into a folder of their own: one module, two lessons, three tasks."""

from __future__ import annotations

import json
from pathlib import Path

from odev.course.course import Course

MODULE = '''"""Polite words."""

from __future__ import annotations

import re

WORD = re.compile(r"\\w+")


def greet(name: str) -> str:
    """A greeting for `name`; for an empty one, to all."""
    return f"Merhaba {name}" if name else "Merhaba herkes"


def count(text: str) -> int:
    """How many words it has."""
    return len(WORD.findall(text))


class Queue:
    """First in, first out."""

    def __init__(self) -> None:
        self._items: list[str] = []

    def put(self, item: str) -> None:
        """Append it."""
        self._items.append(item)

    def get(self) -> str:
        """The oldest; IndexError when there is none."""
        return self._items.pop(0)
'''

GREET_STUB = '''#| odev 1.1 words.greet
def greet(name: str) -> str:
    """A greeting for `name`; for an empty one, to all."""
    raise NotImplementedError("ÖDEV 1.1")
'''

COUNT_STUB = '''#| odev 1.2 words.count
def count(text: str) -> int:
    """How many words it has."""
    raise NotImplementedError("ÖDEV 1.2")
'''

QUEUE_STUB = '''#| odev 2.1 words.Queue
class Queue:
    """First in, first out."""

    def put(self, item: str) -> None:
        """Append it."""
        raise NotImplementedError("ÖDEV 2.1")

    def get(self) -> str:
        """The oldest; IndexError when there is none."""
        raise NotImplementedError("ÖDEV 2.1")
'''

STEPS_1 = '''"""Lesson 1."""

import pytest


@pytest.mark.task("1.1", points=4, hint="f-string ile ismi ekle")
def test_greets_by_name():
    from safechat.words import greet

    assert greet("Ayşe") == "Merhaba Ayşe"


@pytest.mark.task("1.1", points=4, hint="isim boşsa herkese selam ver")
def test_greets_all():
    from safechat.words import greet

    assert greet("") == "Merhaba herkes"


@pytest.mark.task("1.2", points=6, hint="kelimeleri say, boşlukları değil")
@pytest.mark.parametrize(("text", "expected"), [("", 0), ("bir", 1), ("bir  iki", 2)])
def test_counts_words(text, expected):
    from safechat.words import count

    assert count(text) == expected
'''

STEPS_2 = '''"""Lesson 2."""

import pytest


@pytest.mark.task("2.1", points=10, hint="ilk giren ilk çıkar")
def test_first_in_first_out():
    from safechat.words import Queue

    queue = Queue()
    queue.put("a")
    queue.put("b")
    assert [queue.get(), queue.get()] == ["a", "b"]
'''

WRONG = {
    "1.1_no_name": '#| odev 1.1 words.greet\n# hint: f-string\ndef greet(name):\n    return "Merhaba"\n',
    "1.1_never_all": "#| odev 1.1 words.greet\n# hint: isim boşsa\n"
    'def greet(name):\n    return f"Merhaba {name}"\n',
    "1.2_spaces": "#| odev 1.2 words.count\n# hint: boşlukları değil\n"
    'def count(text):\n    return len(text.split(" "))\n',
    "2.1_stack": "#| odev 2.1 words.Queue\n# hint: ilk çıkar\nclass Queue:\n    def __init__(self):\n"
    "        self._items = []\n\n    def put(self, item):\n        self._items.append(item)\n\n"
    "    def get(self):\n        return self._items.pop()\n",
}

NEVER_ENDS = (
    "#| odev 1.1 words.greet\n# hint: f-string\nimport time\n\n"
    "def greet(name):\n    while True:\n        time.sleep(1)\n"
)
FETCHES = """#| odev 1.1 words.greet
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass

def greet(name):
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=60).close()
        server.shutdown()
    return f"Merhaba {name or 'herkes'}"
"""
GOOD_GREET = "#| odev 1.1 words.greet\ndef greet(name):\n    return f\"Merhaba {name or 'herkes'}\"\n"
GOOD_COUNT = "#| odev 1.2 words.count\ndef count(text):\n    return len(text.split())\n"
GOOD_QUEUE = (
    "#| odev 2.1 words.Queue\nfrom collections import deque\n\nclass Queue:\n    def __init__(self):\n"
    "        self._items = deque()\n\n    def put(self, item):\n        self._items.append(item)\n\n"
    "    def get(self):\n        return self._items.popleft()\n"
)


def notebook(*sources: str) -> str:
    """A notebook's text: a source that begins with `# ` and has one line is prose."""
    cells: list[dict[str, object]] = []
    for number, source in enumerate(sources):
        is_prose = source.startswith("# ") and "\n" not in source
        cell: dict[str, object] = {"id": f"cell-{number}", "metadata": {}, "source": source}
        if is_prose:
            cells.append({"cell_type": "markdown", **cell})
        else:
            cells.append({"cell_type": "code", "execution_count": None, "outputs": [], **cell})
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def mini_course(root: Path) -> Course:
    course = Course(root)
    write(course.src / "safechat" / "__init__.py", "from safechat.words import Queue, count, greet\n")
    write(course.src / "safechat" / "words.py", MODULE)
    write(course.lessons / "01_words.ipynb", notebook("# Kelimeler", GREET_STUB, COUNT_STUB))
    write(course.lessons / "02_queue.ipynb", notebook("# Kuyruk", QUEUE_STUB))
    write(course.steps / "test_01_words.py", STEPS_1)
    write(course.steps / "test_02_queue.py", STEPS_2)
    for name, text in WRONG.items():
        write(course.wrong_answers / f"{name}.py", text)
    return course


def submission(folder: Path, *cells: str) -> Path:
    """A student's folder with these cells in one notebook."""
    write(folder / "01_words.ipynb", notebook("# Kelimeler", *cells))
    return folder
