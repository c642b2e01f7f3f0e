"""Same answers: found after renaming, and never where everybody's answer looks alike."""

from __future__ import annotations

from odev.course.cells import TaskId, task_cell
from odev.instructor.same_answers import ALIKE, report, same_answers
from odev.instructor.submission import Submission

TASK = TaskId(1, 2)
STUB = '#| odev 1.2 words.count\ndef count(text: str) -> int:\n    raise NotImplementedError("ÖDEV 1.2")\n'
LONG = '''#| odev 1.2 words.count
def count(text: str) -> int:
    """How many."""
    total = 0
    inside = False
    for letter in text:
        if letter.isalnum() and not inside:
            total += 1
            inside = True
        elif not letter.isalnum():
            inside = False
    return total
'''
RENAMED = (
    LONG.replace("total", "n").replace("letter", "harf").replace('"""How many."""', "# benim çözümüm")
    .replace("inside", "ic")
)  # fmt: skip
EDITED = RENAMED.replace("n += 1", "n = n + 1")
OTHER = """#| odev 1.2 words.count
import re
def count(text: str) -> int:
    found = [part for part in re.split(r"[^\\w]+", text.strip()) if part]
    numbers = {key: len(key) for key in found}
    if not numbers:
        return 0
    while len(found) > 10_000:
        found.pop()
    return sum(1 for part in found if numbers[part] > 0)
"""


def class_of(**cells: str) -> list[Submission]:
    submissions = []
    for name, source in cells.items():
        cell = task_cell(source)
        assert cell is not None
        submissions.append(Submission(name, {cell.id: cell}))
    return submissions


def test_the_same_code_under_other_names_is_found() -> None:
    (alike,) = same_answers(class_of(ali=LONG, veli=RENAMED, can=OTHER), {TASK: STUB})
    assert (alike.task, alike.names, alike.part) == (TASK, ("ali", "veli"), 1.0)


def test_a_small_edit_does_not_hide_it() -> None:
    (alike,) = same_answers(class_of(ali=LONG, veli=EDITED), {TASK: STUB})
    assert alike.names == ("ali", "veli")
    assert ALIKE <= alike.part < 1


def test_a_variable_more_does_not_hide_it() -> None:
    one_more = RENAMED.replace("    n = 0\n", "    sonuc = None\n    n = 0\n")
    (alike,) = same_answers(class_of(ali=LONG, veli=one_more), {TASK: STUB})
    assert alike.names == ("ali", "veli")


def test_another_way_to_the_same_answer_is_not_alike() -> None:
    assert same_answers(class_of(ali=LONG, veli=OTHER), {TASK: STUB}) == []


def test_a_short_answer_a_stub_and_what_python_cannot_read_are_not_compared() -> None:
    short = "#| odev 1.2 words.count\ndef count(text: str) -> int:\n    return len(text.split())\n"
    broken = LONG.replace("return total", "return (")
    same = class_of(a=short, b=short, c=STUB, d=STUB, e=broken, f=broken)
    assert same_answers(same, {TASK: STUB}) == []


def test_the_report_is_a_hint_and_says_so() -> None:
    text = report(same_answers(class_of(ali=LONG, veli=RENAMED), {TASK: STUB}), 60)
    assert "ipucudur, hüküm değildir" in " ".join(text.split())
    assert "## Görev 1.2\n\n- aynı: ali, veli\n" in text
    assert "Benzeyen cevap yok." in report([], 60)


def test_a_name_is_no_markup_in_the_report() -> None:
    names = {"<img src=x>": LONG, "[a](javascript:x)": RENAMED}
    text = report(same_answers(class_of(**names), {TASK: STUB}), 60)
    assert "- aynı: \\<img src=x>, \\[a](javascript:x)\n" in text


def test_an_answer_of_most_of_the_class_is_said_to_be_natural() -> None:
    same = class_of(**{f"s{number}": LONG for number in range(5)})
    assert "sınıfın çoğu: doğal olabilir" in report(same_answers(same, {TASK: STUB}), 6)
