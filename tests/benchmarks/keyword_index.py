"""CPU milliseconds that KeywordIndex takes for a question, among 20,000 texts.

The texts are of the words of tests/data/faq.json and of 40,000 invented ones, used as often as words are: the
n-th most common one about a n-th as often as the first. `python tests/benchmarks/keyword_index.py`
"""

from __future__ import annotations

import json
import random
import time
from itertools import accumulate
from pathlib import Path

from rich.console import Console
from rich.table import Table

from safechat.rag import KeywordIndex, Source

TEXTS, WORDS_OF_A_TEXT, INVENTED_WORDS = 20_000, 60, 40_000
CONSONANTS, VOWELS = "bdklmrsty", "aeıiüu"
FAQ = Path(__file__).parents[1] / "data" / "faq.json"


def main() -> None:
    faq = json.loads(FAQ.read_text(encoding="utf-8"))
    questions = [question["question"] for question in faq["questions"]]
    draw = random.Random(1)
    real = [word for text in faq["texts"] for word in text["text"].split()]

    def invented() -> str:
        return "".join(draw.choice(CONSONANTS) + draw.choice(VOWELS) for _ in range(draw.randint(2, 4)))

    words = list(dict.fromkeys([*real, *(invented() for _ in range(INVENTED_WORDS))]))
    draw.shuffle(words)
    weights = list(accumulate(1 / (rank + 2.7) for rank in range(len(words))))

    def text(length: int) -> str:
        return " ".join(draw.choices(words, cum_weights=weights, k=length))

    began = time.process_time()
    index = KeywordIndex(Source(text(WORDS_OF_A_TEXT), title=text(3)) for _ in range(TEXTS))
    built = time.process_time() - began
    began = time.process_time()
    for question in questions:
        index.search(question)
    searched = time.process_time() - began
    table = Table("texts", "CPU µs a text, put in", "CPU ms a question")
    table.add_row(f"{TEXTS:,}", f"{built / TEXTS * 1e6:.0f}", f"{searched / len(questions) * 1e3:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
