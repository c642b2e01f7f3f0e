"""KeywordIndex: Turkish words with their endings, hostile questions, files, threads."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes import environment, run_python
from safechat.rag import KeywordIndex, Source
from safechat.rag.index import folded

FAQ: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "data" / "faq.json").read_text(encoding="utf-8")
)


def ids(found: list[Source]) -> list[str | None]:
    return [source.id for source in found]


def test_inflected_questions_find_their_text() -> None:
    with KeywordIndex(Source(**text) for text in FAQ["texts"]) as index:
        ranked = [(item["source"], ids(index.search(item["question"], 3))) for item in FAQ["questions"]]
    assert len(FAQ["texts"]) >= 40
    assert len(ranked) >= 60
    assert sum(found[:1] == [wanted] for wanted, found in ranked) / len(ranked) >= 0.9
    assert sum(wanted in found for wanted, found in ranked) / len(ranked) >= 0.95


@pytest.mark.parametrize("question", ["IŞIK", "ışık", "isik", "İŞİK", "Işığın"])
def test_letters_are_folded(question: str) -> None:
    with KeywordIndex(["Işık yanıyor", "Kapı kapalı"]) as index:
        assert [source.text for source in index.search(question)] == ["Işık yanıyor"]


def test_a_composed_and_a_decomposed_letter_are_one() -> None:
    assert folded("s\u0327ârj\u0307") == folded("şarj")


def test_a_word_in_the_title_counts_for_more() -> None:
    with KeywordIndex(
        [Source("iade ve kargo", id="text"), Source("kargo ve iptal", title="İade", id="title")]
    ) as index:
        assert ids(index.search("iade"))[0] == "title"


@pytest.mark.parametrize(
    "question",
    [
        '"',
        "iade*",
        "AND",
        "NOT iade",
        "NEAR(iade kargo)",
        "iade AND (",
        "title:iade",
        "^iade",
        "a'b; DROP TABLE terms",
    ],
)
def test_the_query_language_has_no_power_in_a_question(question: str) -> None:
    with KeywordIndex(["iade ve kargo"]) as index:
        index.search(question)
        assert index.search("iade")


@given(st.text())
def test_any_text_is_a_question_and_a_source(text: str) -> None:
    with KeywordIndex([text]) as index:
        index.search(text)
        assert len(index) == 1


@pytest.mark.parametrize("question", ["", "  ", "?!", "zzz"])
def test_a_question_that_shares_no_word_finds_nothing(question: str) -> None:
    with KeywordIndex(["iade ve kargo"]) as index:
        assert index.search(question) == []


def test_an_id_that_is_there_is_replaced() -> None:
    with KeywordIndex([Source("eski iade", id="a")]) as index:
        index.add([Source("yeni kargo", id="a")])
        assert len(index) == 1
        assert index.search("iade") == []
        index.remove("a")
        index.remove("a")
        assert index.search("kargo") == []


def test_a_file_that_is_filled_again_holds_everything_once(tmp_path: Path) -> None:
    for _ in range(2):
        with KeywordIndex(["iade", Source("iade", "Başka"), "kargo"], tmp_path / "dizin.sqlite") as index:
            assert len(index) == 3
            assert len(index.search("iade")) == 2


@pytest.mark.parametrize("wrong", ["iade", None, 3])
def test_what_is_no_list_of_sources_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be a list of sources"):
        KeywordIndex(wrong)


def test_half_a_surrogate_pair_can_be_indexed() -> None:
    with KeywordIndex(["iade \ud83d"]) as index:
        assert index.search("iade")[0].text == "iade \ufffd"


def test_sources_are_added_all_or_none() -> None:
    bad: list[Any] = ["iade", object()]
    with KeywordIndex() as index:
        with pytest.raises(TypeError, match="without a text"):
            index.add(bad)
        assert len(index) == 0


def test_a_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "dizin.sqlite"
    source = Source("iade", title="İade", id="a", metadata={"url": "https://example.com/iade", "page": 3})
    KeywordIndex([source], path).close()
    with KeywordIndex(path=path) as index:
        (found,) = index.search("iadeyi")
    assert (found, found.metadata) == (source, source.metadata)


def test_threads_share_an_index() -> None:
    with KeywordIndex() as index, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: index.add([f"iade {number}"]), range(50)))
        assert len(index) == 50
        assert all(
            pool.map(lambda number: index.search(f"{number}")[0].text.endswith(f" {number}"), range(50))
        )


def test_common_words_do_not_hide_the_rare_one() -> None:
    with KeywordIndex([*(f"kargo ücreti {number}" for number in range(3000)), "kargo sigortası"]) as index:
        assert index.search("kargonun sigortasını kargoya kargo ile", 1)[0].text == "kargo sigortası"


def test_a_python_without_fts5_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    class WithoutFTS5(sqlite3.Connection):
        def executescript(self, script: str, /) -> sqlite3.Cursor:
            raise sqlite3.OperationalError("no such module: fts5")

    monkeypatch.setattr(
        sqlite3, "connect", lambda *path, **options: connect(*path, factory=WithoutFTS5, **options)
    )
    with pytest.raises(RuntimeError, match="has no FTS5"):
        KeywordIndex()


def test_what_is_added_may_come_from_the_index_itself() -> None:
    with KeywordIndex(["iade"]) as index:
        index.add(source.text + " kargo" for source in index.search("iade"))
        assert len(index) == 2


def test_processes_fill_one_file_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from safechat.rag import KeywordIndex\n"
        "KeywordIndex([f'iade {n} {sys.argv[1]}' for n in range(300)], sys.argv[2]).close()"
    )
    path = str(tmp_path / "dizin")
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(number), path], env=environment())
        for number in range(4)
    ]
    assert [process.wait(100) for process in running] == [0] * 4
    with KeywordIndex(path=path) as index:
        assert len(index) == 1200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("place", ["None", "'dizin'"])
def test_a_fork_in_the_middle_of_a_search_leaves_an_index_that_works(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_python(f"""
import os, threading
from safechat.rag import KeywordIndex

index = KeywordIndex([f"iade {{n}}" for n in range(300)], {place})
over = threading.Event()

def search():
    while not over.is_set():
        index.search("iade 5")

threads = [threading.Thread(target=search) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(10):
    if (child := os.fork()) == 0:
        index.add(["kargo"])
        os._exit(0 if index.search("kargo") else 1)
    assert os.waitpid(child, 0)[1] == 0
over.set()
""")
