"""KeywordIndex: finds texts by the words of a question, without a model and without a server.

It stands on SQLite's FTS5 and its BM25 ranking. Turkish puts endings behind a word, so words match by their
first letters: `iadeyi`, `iadenin` and `iadeler` share `iade`. Letters are folded (İ, I, ı and i are one;
accents fall away).

BM25's scores are no probabilities. Neither they nor the distances of embeddings have a threshold that tells
a question with an answer from one without, so none is offered; the model says when the sources do not answer.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable
from os import PathLike
from typing import Self

from safechat.rag.sources import Source, sources_of
from safechat.runtime.process import LockHeldAtFork, begin_anew_after_fork, forget

PREFIXES = (4, 5, 6)  # letters
_TITLE_WEIGHT = 2.0  # a word in a title counts for as much more than one in the text
_MOST_TERMS = 256  # of a question
_ENOUGH = 1000  # texts to rank; a question's more common terms are left out beyond them
_LONGEST_WAIT = 60.0  # seconds, for another process that writes to the file
_SOFTENED = str.maketrans("bdg", "ptk")
_WORD = re.compile(r"\w+")
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS sources
  (number INTEGER PRIMARY KEY, id TEXT UNIQUE, title TEXT, text TEXT, metadata TEXT);
CREATE INDEX IF NOT EXISTS texts ON sources (text) WHERE id IS NULL;
CREATE VIRTUAL TABLE IF NOT EXISTS terms USING fts5 (title, text, tokenize="ascii", detail=column);
CREATE VIRTUAL TABLE IF NOT EXISTS counts USING fts5vocab (terms, row);
INSERT INTO terms (terms, rank) VALUES ('rank', 'bm25({_TITLE_WEIGHT}, 1.0)');
COMMIT;
"""


class KeywordIndex:
    """An index of sources, in memory or in the file at `path`. For any number of threads, and after a fork;
    a file is for any number of processes.

    What the file holds already stays, and `sources` are added to it.

    with KeywordIndex([Source("14 gün içinde iade edebilirsiniz.", title="İade")]) as index:
        index.search("İadeyi kaç günde yapmalıyım?", 3)
    """

    def __init__(self, sources: Iterable[Source | str] = (), path: str | PathLike[str] | None = None) -> None:
        self._lock = LockHeldAtFork()
        self._path = path
        self._database = self._connected()
        try:
            self._database.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            self._database.close()
            if "fts5" not in str(error):
                raise
            raise RuntimeError(
                "this Python's SQLite has no FTS5, which KeywordIndex needs: use another Python, or another "
                "retriever"
            ) from error
        begin_anew_after_fork(self)
        self.add(sources)

    def begin(self) -> None:
        """In the child of a fork: a connection to a file must not be used in two processes."""
        if self._path is not None:
            self._parents, self._database = self._database, self._connected()

    def _connected(self) -> sqlite3.Connection:
        path = ":memory:" if self._path is None else self._path
        return sqlite3.connect(path, timeout=_LONGEST_WAIT, check_same_thread=False)

    def add(self, sources: Iterable[Source | str]) -> None:
        """Add the sources, all or none. One with an id that is there takes the place of that one; so does
        one without an id whose title and text are there."""
        added = list(sources_of(sources))  # before the lock: they may be slow to come, or come from here
        with self._lock, self._database:
            for source in added:
                if source.id is None:
                    self._remove("id IS NULL AND text = ? AND title = ?", source.text, source.title)
                else:
                    self._remove("id = ?", source.id)
                number = self._database.execute(
                    "INSERT INTO sources (id, title, text, metadata) VALUES (?, ?, ?, ?)",
                    (source.id, source.title, source.text, json.dumps(dict(source.metadata), default=str)),
                ).lastrowid
                self._database.execute(
                    "INSERT INTO terms (rowid, title, text) VALUES (?, ?, ?)",
                    (number, " ".join(_terms(source.title)), " ".join(_terms(source.text))),
                )

    def remove(self, id: str) -> None:
        """Take the source with this id out; nothing happens where there is none."""
        with self._lock, self._database:
            self._remove("id = ?", id)

    def search(self, question: str, k: int = 6) -> list[Source]:
        """The `k` sources that share most with the question, best first; none that shares nothing."""
        with self._lock:
            rows = self._database.execute(
                "SELECT sources.text, sources.title, sources.id, sources.metadata FROM "
                "(SELECT rowid AS number, rank FROM terms WHERE terms MATCH ? ORDER BY rank LIMIT ?) "
                "JOIN sources USING (number) ORDER BY rank",
                (self._query(question), k),
            ).fetchall()
        return [Source(text, title, id, json.loads(metadata)) for text, title, id, metadata in rows]

    def _query(self, question: str) -> str:
        """The question's terms as an expression of FTS5: any of them may match. The rarest say most; where
        they are in enough texts, the others would only take time."""
        counts: dict[str, int] = {}
        for term in list(dict.fromkeys(_terms(question)))[:_MOST_TERMS]:
            for (count,) in self._database.execute("SELECT doc FROM counts WHERE term = ?", (term,)):
                counts[term] = count
        chosen: list[str] = []
        texts = 0
        for term in sorted(counts, key=counts.__getitem__):
            if chosen and texts + counts[term] > _ENOUGH:
                break
            chosen.append(f'"{term}"')
            texts += counts[term]
        return " OR ".join(chosen) or '""'

    def _remove(self, where: str, *values: str) -> None:
        for (number,) in self._database.execute(
            f"DELETE FROM sources WHERE {where} RETURNING number", values
        ).fetchall():
            self._database.execute("DELETE FROM terms WHERE rowid = ?", (number,))

    def __len__(self) -> int:
        with self._lock:
            (count,) = self._database.execute("SELECT count(*) FROM sources").fetchone()
        return int(count)

    def close(self) -> None:
        forget(self)
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def words(text: str) -> list[str]:
    """The words of a text, folded."""
    return _WORD.findall(folded(text))


def folded(text: str) -> str:
    """`text` in small letters without accents, in which İ, I, ı and i are one letter, and so are the
    consonants that an ending softens: `ışık` and `ışığı` begin alike."""
    small = text.replace("İ", "i").replace("I", "i").casefold().replace("ı", "i")
    plain = (letter for letter in unicodedata.normalize("NFKD", small) if not unicodedata.combining(letter))
    return "".join(plain).translate(_SOFTENED)


def _terms(text: str) -> list[str]:
    """The words of a text, and the first letters of each."""
    return [
        word[:length]
        for word in words(text)
        for length in (*(length for length in PREFIXES if length < len(word)), len(word))
    ]
