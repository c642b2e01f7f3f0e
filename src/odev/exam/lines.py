"""The ten lines of the exam: each gives its points for one thing, as a pure function of what was counted.

A line's text says the counts, for the student (Turkish). Not here: how they were counted (facts.py), how the
lines look (report.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from odev.exam.facts import Counts, Day

POINTS = 10  # of each line

_FEW_REFUSALS = 3  # 429s that a busy computer may cost a client that keeps to its limit
_MOST_REQUESTS = 40  # in the outage; without a breaker it is one for each of the 60 calls, and the retries
_SPARE = 2  # requests that a lost connection may cost
_MOST_DENIED = 5  # requests with the old key; the calls under way when it was changed are three
_MOST_OF_THE_DAY = 200  # questions that must have ended for the lines that are about the whole day


@dataclass(frozen=True, slots=True)
class Mark:
    """What a line gave to one program, and what was counted (Turkish)."""

    passed: bool
    text: str

    @property
    def score(self) -> int:
        return POINTS if self.passed else 0


@dataclass(frozen=True, slots=True)
class Rule:
    """`title` says what happens to the program (Turkish), `lesson` where its answer is learnt."""

    title: str
    lesson: int
    judge: Callable[[Day], Mark]


def crowd(day: Day) -> Mark:
    (step,) = day.of("kalabalık")
    refused = f"{step.refused} kez 429" if step.refused else "429 yok"
    passed = step.answered == step.calls and step.refused <= _FEW_REFUSALS
    return Mark(passed, f"{step.calls} istek birden: {_answers(step)}, {refused}{_why(step)}")


def waits_and_tries_again(day: Day) -> Mark:
    steps = day.of("bekle", "aksama")
    findings = [finding for step in steps for finding in step.findings]
    calls, answered = sum(step.calls for step in steps), sum(step.answered for step in steps)
    text = f"{calls} çağrı, {answered} cevap; {_verdict(findings)}"
    return Mark(_all_answered(*steps) and not findings, text + _why(*steps))


def outage(day: Day) -> Mark:
    down, back = day.of("kesinti", "dönüş")
    text = f"kesintide {down.calls} çağrı için {down.requests} istek; API dönünce {_of_calls(back)}"
    unnamed = f"; {down.unnamed} hata adıyla gelmedi" if down.unnamed else ""
    passed = down.named == down.calls and down.requests <= _MOST_REQUESTS and _all_answered(back)
    return Mark(passed, text + unnamed + _why(replace(down, kinds=()), back))  # errors with a name are right


def other_models(day: Day) -> Mark:
    gone, silent = day.of("emekli", "sessiz")
    text = f"kapatılan model: {_of_calls(gone)}; susan model: {_of_calls(silent)}"
    return Mark(_all_answered(gone, silent), text + _why(gone, silent))


def hopeless(day: Day) -> Mark:
    credit, wrong = day.of("kredi", "başlık")
    calls, requests = credit.calls + wrong.calls, credit.requests + wrong.requests
    named = (credit.kinds, wrong.kinds) == (("quota_exhausted",), ("request_rejected",))
    named = named and credit.named + wrong.named == calls
    words = "hataların hepsi adıyla geldi" if named else f"hatalar doğru adla gelmedi{_why(credit, wrong)}"
    return Mark(named and requests <= calls + _SPARE, f"{calls} çağrı, {requests} istek; {words}")


def half_answers(day: Day) -> Mark:
    steps = day.of("yarım", "kopuk")
    wrong = sum(step.wrong for step in steps)
    noticed = sum(step.noticed for step in steps)
    calls = sum(step.calls for step in steps)
    if wrong:
        words = f"{wrong} yarım cevap tam sanıldı"
    elif _all_answered(*steps):
        words = f"yarıda kalan {noticed} cevabın hepsi fark edildi"
    else:
        words = f"{sum(step.answered for step in steps)} tam cevap"
    return Mark(_all_answered(*steps), f"{calls} soru: {words}{_why(*steps)}")


def new_key(day: Day) -> Mark:
    before, after = day.of("anahtar", "yeni anahtar")
    text = f"önce {_of_calls(before)}; anahtar yenilenince {_of_calls(after)} ({after.denied} kez 401)"
    passed = _all_answered(before, after) and after.denied <= _MOST_DENIED
    return Mark(passed, text + _why(before, after))


def sealed_vault(day: Day) -> Mark:
    before, after = day.of("kasa", "mühür")
    if not day.vault_reads:
        return Mark(False, f"anahtar kasadan hiç okunmadı{_why(before, after)}")
    text = f"anahtar kasadan okundu; kasa mühürlüyken {_of_calls(after)}"
    return Mark(_all_answered(before, after), text + _why(before, after))


def log(day: Day) -> Mark:
    passed = day.logged == day.ended >= _MOST_OF_THE_DAY
    return Mark(passed, f"biten {day.ended} sorudan {day.logged} tanesinin logda tek ve doğru bir kaydı var")


def no_secrets(day: Day) -> Mark:
    (bait,) = day.of("başlık")
    if day.leaks:
        return Mark(False, f"bir sır görüldü: {', '.join(day.leaks)}")
    if not bait.requests:
        return Mark(False, "API'nin anahtarı geri gönderdiği istekler hiç yapılmadı")
    if day.ended < _MOST_OF_THE_DAY:
        return Mark(False, f"yalnızca {day.ended} soru bitti, sır aramaya yetmez")
    echoed = f"API anahtarı {bait.requests} hata mesajında geri gönderdi"
    return Mark(True, f"{echoed}; hiçbir sır logda, ekranda ve hatalarda görülmedi")


RULES = (
    Rule("60 kişi aynı anda soruyor", 3, crowd),
    Rule("API “bekle” diyor, sonra aksıyor", 4, waits_and_tries_again),
    Rule("API uzun süre çöküyor", 5, outage),
    Rule("Bir model kapanıyor, biri susuyor", 5, other_models),
    Rule("Beklemekle geçmeyen hatalar", 1, hopeless),
    Rule("Yarıda kalan cevaplar", 1, half_answers),
    Rule("Anahtar yenileniyor", 6, new_key),
    Rule("Kasa mühürleniyor", 6, sealed_vault),
    Rule("Günün logu", 2, log),
    Rule("Sır saklamak", 2, no_secrets),
)

ALL_POINTS = POINTS * len(RULES)


def _all_answered(*steps: Counts) -> bool:
    return all(step.answered == step.calls for step in steps)


def _answers(step: Counts) -> str:
    return "hepsi cevaplandı" if step.answered == step.calls else f"{step.answered} cevap"


def _of_calls(step: Counts) -> str:
    return f"{step.calls} çağrı, {step.answered} cevap"


def _why(*steps: Counts) -> str:
    """What else happened to the calls that have no answer."""
    return "".join(f"; {text}" for text in dict.fromkeys(_reasons(steps)))


def _reasons(steps: tuple[Counts, ...]) -> Iterator[str]:
    lost = sum(step.lost for step in steps)
    if lost:
        yield f"{lost} çağrı hiç bitmedi"
    errors = [step.first_error for step in steps if step.first_error]
    kinds = sorted({kind for step in steps if step.answered < step.calls for kind in step.kinds})
    if errors:
        yield f"ilk hata: {errors[0]}"
    elif kinds:
        yield f"gelen hatalar: {', '.join(kinds)}"


_FINDINGS = {
    "retry_after_ignored": "Retry-After dolmadan yeniden denedi",
    "no_backoff": "ara vermeden yeniden denedi",
    "gave_up": "bir kez bile yeniden denemedi",
    "retried_non_retryable": "denemekle geçmeyecek hatayı denedi",
    "retry_storm": "onlarca kez denedi",
}


def _verdict(findings: Sequence[str]) -> str:
    """Whether the client kept to the waits, or what LLMock holds against it (Turkish)."""
    counted = [f"{findings.count(code)} kez {_FINDINGS.get(code, code)}" for code in sorted(set(findings))]
    return f"istemci {', '.join(counted)}" if counted else "istemci beklemelere uydu"
