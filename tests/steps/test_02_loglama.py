"""Lesson 02 is graded by these: values without secrets, one record for each call, what a log tells."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import virtual_time
from expect import expect, pass_on_crash
from safechat import errors
from safechat.errors import ChatError
from safechat.messages import ChatReply, ChatRequest
from safechat.usage import Usage

# 2.1 redact.redacted

KEY = "sk-steps-Zk3x9Q7mT1vB8nR5"
OUT = "[redacted]"


def clean(value: object, expected: object, *name: str) -> None:
    from safechat.redact import redacted

    shown = ", ".join(map(repr, (value, *name)))
    expect(f"redacted({shown})", redacted(value, *name), expected)


@pytest.mark.task(
    "2.1",
    points=6,
    hint="En kolay adım tek bir değer: sözlük ya da liste değilse redacted_leaf ne verirse onu döndür.",
    more="Fonksiyonun son satırı return redacted_leaf(…) olabilir; sözlük ve listeye ondan önce bakarsın.",
)
def test_a_single_value_is_redacted() -> None:
    clean(f"401: {KEY} geçersiz", f"401: {OUT} geçersiz")
    clean("kargom nerede?", "kargom nerede?")
    clean(812.5, 812.5)
    clean(None, None)


@pytest.mark.task(
    "2.1",
    points=6,
    hint="redacted_leaf'i adıyla birlikte çağır: redacted_leaf(value, name). 'kedi' anahtara benzemez ama "
    "adı password ise paroladır.",
    more="İkinci argüman unutulursa adı yüzünden gizli olan değerler açıkta kalır.",
)
def test_a_single_value_is_redacted_by_its_name() -> None:
    clean("kedi", OUT, "password")
    clean("kedi", "kedi", "model")


@pytest.mark.task(
    "2.1",
    points=6,
    hint="Sözlük sözlük kalmalı ve içindeki her değer, kendi adıyla birlikte yeniden redacted'dan geçmeli: "
    "redacted(değer, ad).",
    more="Fonksiyon kendini çağırır. İç içe sözlükte içteki ad geçerlidir; dıştaki ad içeri taşınmaz.",
)
def test_a_dict_is_redacted_by_its_names() -> None:
    clean({"model": "gpt-5-mini", "api_key": "kedi"}, {"model": "gpt-5-mini", "api_key": OUT})
    inner = {"password": "kedi", "note": f"eski: {KEY}", "latency_ms": 812.5}
    clean({"x": {"y": inner}}, {"x": {"y": {"password": OUT, "note": f"eski: {OUT}", "latency_ms": 812.5}}})
    clean(
        {"credentials": {"user": "ali", "password": "kedi"}},
        {"credentials": {"user": "ali", "password": OUT}},
    )


@pytest.mark.task(
    "2.1",
    points=6,
    hint="Sözlük gibi davranan başka türler de var (HTTP başlıkları gibi). isinstance(value, dict) değil, "
    "isinstance(value, Mapping) diye sor.",
    more="Mapping'i collections.abc verir; .items() hepsinde vardır. Sonuç sıradan bir dict olsun.",
)
def test_whatever_behaves_like_a_dict_is_one() -> None:
    clean(
        MappingProxyType({"Authorization": "kedi", "accept": "*/*"}), {"Authorization": OUT, "accept": "*/*"}
    )


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError("metnim yok")

    __repr__ = object.__repr__


@pytest.mark.task(
    "2.1",
    points=6,
    hint="Sözlüğün adları da loga yazılır: metin olmayan ad metne çevrilmeli, içinde anahtar olan da "
    "temizlenmeli. İkisini redacted_name yapar.",
    more="Yeni sözlükte adın yerine redacted_name(ad) dursun; değere verdiğin ad ise adın kendisi.",
)
def test_the_names_of_a_dict_are_redacted_too() -> None:
    clean({KEY: "ali", 7: "yedi"}, {OUT: "ali", "7": "yedi"})
    clean({None: 1, Unreadable: 2}, {"None": 1, str(Unreadable): 2})


@pytest.mark.task(
    "2.1",
    points=6,
    hint="Liste, tuple ve kümelerin (set, frozenset) içine de bakılmalı; sonuç her zaman bir liste.",
    more="Her elemanı redacted'dan geçir: [redacted(item, …) for item in value].",
)
@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_lists_are_gone_through(kind: Callable[[Iterable[str]], object]) -> None:
    clean(kind([KEY]), [OUT])
    clean({"notes": [{"token": "x"}, [KEY, 1]]}, {"notes": [{"token": "x"}, [OUT, 1]]})


@pytest.mark.task(
    "2.1",
    points=6,
    hint="Listenin adı elemanlarının da adıdır: {'password': ['kedi']} içindeki kedi de paroladır.",
    more="Elemanlar için redacted'ı listenin kendi adıyla çağır: redacted(item, name).",
)
def test_the_items_of_a_list_have_its_name() -> None:
    clean({"cookie": ["kedi", ("köpek",)]}, {"cookie": [OUT, [OUT]]})


@pytest.mark.task(
    "2.1",
    points=6,
    hint="Gelen sözlük programın kendi verisi: onu değiştirirsen programın anahtarı da silinir. Yeni bir "
    "sözlük "
    "ve yeni bir liste kur.",
    more="value[ad] = … yerine {ad: … for ad, değer in value.items()}.",
)
def test_the_value_itself_does_not_change() -> None:
    from safechat.redact import redacted

    settings = {"password": "kedi", "list": [KEY]}
    redacted(settings)
    expect("redacted'dan sonra ayarlar", settings, {"password": "kedi", "list": [KEY]})


# 2.2 log.layer.Logged

PROMPT = "Siparişim nerede, telefonum 0532 123 45 67?"
REQUEST = ChatRequest(messages=({"role": "user", "content": PROMPT},), model="gpt-5-mini")
REPLY = ChatReply(
    text="Siparişin yolda.",
    model="gpt-5-mini-2025-08-07",
    finish_reason="stop",
    usage=Usage(prompt_tokens=9, completion_tokens=5),
    request_id="req_7",
)
Handler = Callable[[ChatRequest], Awaitable[ChatReply]]


async def answers(request: ChatRequest) -> ChatReply:
    return REPLY


def fails(error: BaseException) -> Handler:
    async def handler(request: ChatRequest) -> ChatReply:
        raise error

    return handler


class Clock:
    """Moves time.perf_counter forward, so that no test waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        real = time.perf_counter
        monkeypatch.setattr(time, "perf_counter", lambda: real() + self.seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, logger="safechat"):
        yield caplog


def logged(handler: Handler) -> Handler:
    from safechat.log.layer import Logged

    return Logged(handler)


def ask(handler: Handler) -> object:
    """The reply of a logged call, or the error that it raises."""

    async def main() -> object:
        try:
            return await logged(handler)(REQUEST)
        except Exception as error:
            pass_on_crash(error)
            return error

    return virtual_time.run(main())


def calls(log: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields of each `chat.call`."""
    return [vars(record) for record in log.records if record.getMessage() == "chat.call"]


def the_call(log: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Those of the only one."""
    found = calls(log)
    assert len(found) == 1, f"bir çağrı → {len(found)} chat.call kaydı; beklenen: 1"
    return found[0]


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Katman görünmez olmalı: alttaki katman (self._next) request ile çağrılır, cevabı olduğu gibi "
    "döner (`return` yazdın mı?).",
    more="reply = await self._next(request), en sonda return reply. Yeni bir ChatReply kurma.",
)
def test_the_reply_comes_through() -> None:
    seen: list[ChatRequest] = []

    async def handler(request: ChatRequest) -> ChatReply:
        seen.append(request)
        return REPLY

    reply = ask(handler)
    assert reply is REPLY, f"await Logged(handler)(request) → {reply!r}; beklenen: handler'ın cevabı"
    assert len(seen) == 1, f"alttaki katman {len(seen)} kez çağrıldı; beklenen: 1"
    assert seen[0] is REQUEST, f"alttaki katmana başka bir istek gitti: {seen[0]!r}"


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Cevap alınan her çağrı tek bir chat.call kaydıdır: log_call(logging.INFO, request, record, "
    "started, "
    'outcome="ok", …).',
    more="chat.call kaydını log_call yazar; event'i ya da logging'i ayrıca çağırma. Cevap geldikten sonra, "
    "return'den önce bir kez.",
)
def test_an_answered_call_is_one_record(log: pytest.LogCaptureFixture) -> None:
    ask(answers)
    call = the_call(log)
    expect("outcome, seviye", (call["outcome"], call["levelname"]), ("ok", "INFO"))
    expect("model", call["model"], "gpt-5-mini")


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Kayıtta cevabın alanları eksik: kim cevapladı, kaç token, request_id. Hepsini reply_fields(reply, "
    "record) verir; log_call'a ** ile geçir.",
    more='log_call(…, outcome="ok", **reply_fields(reply, record))',
)
def test_the_replys_fields_are_in_the_record(log: pytest.LogCaptureFixture) -> None:
    ask(answers)
    call = the_call(log)
    names = ("answered_by", "prompt_tokens", "completion_tokens", "request_id", "finish_reason", "attempts")
    came = {name: call.get(name) for name in names}
    expect(
        "chat.call", came, dict(zip(names, ("gpt-5-mini-2025-08-07", 9, 5, "req_7", "stop", 1), strict=True))
    )


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Hata, loga yazıldıktan sonra çağırana aynen ulaşmalı: yutma, başka hataya çevirme. except bloğunun "
    "sonunda yalnızca `raise` yaz.",
    more="except'in içinde tek başına `raise`, yakalanan hatanın kendisini yeniden fırlatır. "
    "KeyError görüyorsan bir alanı iki kez veriyorsun: alanları yalnızca `**` ile geçir.",
)
@pytest.mark.parametrize(
    "error",
    [errors.ServerError("503", status=503), TypeError("unexpected keyword argument")],
    ids=lambda e: type(e).__name__,
)
def test_an_error_is_raised_as_it_is(error: Exception) -> None:
    came = ask(fails(error))
    assert came is error, f"{error!r} fırlatılmalıydı; gelen: {came!r}"


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Hata da tek bir chat.call kaydıdır: seviyesi ERROR, outcome'u hatanın kind'ı. Onu ve öbür alanları "
    "outcome_of(error, request) verir.",
    more="outcome_of iki değer verir; ikincisi bir sözlüktür, log_call'a ** ile geçir. outcome'a sabit bir "
    "kelime yazarsan kimse nedenini sayamaz.",
)
def test_an_error_is_one_record_with_its_reason(log: pytest.LogCaptureFixture) -> None:
    ask(fails(errors.RateLimited("çok istek", status=429, code="rate_limit_exceeded", request_id="req_9")))
    call = the_call(log)
    expect("outcome, seviye", (call["outcome"], call["levelname"]), ("rate_limited", "ERROR"))
    names = ("status", "code", "request_id", "error")
    came = {name: call.get(name) for name in names}
    expect(
        "chat.call", came, dict(zip(names, (429, "rate_limit_exceeded", "req_9", "çok istek"), strict=True))
    )


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Tanımadığımız hata da kaydedilmeli, seviyesi yine ERROR. Yalnızca ChatError'ı değil, her "
    "Exception'ı yakala.",
    more="Tek bir `except Exception as error:` yeter; outcome_of iki tür hatayı da bilir.",
)
def test_an_error_of_the_program_is_one_record_too(log: pytest.LogCaptureFixture) -> None:
    ask(fails(KeyError("choices")))
    call = the_call(log)
    expect("outcome, seviye", (call["outcome"], call["levelname"]), ("unexpected", "ERROR"))
    expect("error", call.get("error"), "KeyError: 'choices'")


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Prompt ya da cevap loga girmiş. Kayıt, çağrıyı anlatır; içeriği ancak istenirse taşır. Hata "
    "metni de "
    "promptu tekrarlayabilir: str(error) değil, outcome_of'un verdiği alanlar.",
    more="prompt=…, answer=reply.text gibi alanlar ekleme. outcome_of promptun geçtiği yerlere […] koyar.",
)
def test_no_prompt_and_no_answer_is_in_the_log(log: pytest.LogCaptureFixture) -> None:
    ask(answers)
    ask(fails(ValueError(f"bad input: {PROMPT}")))
    ask(fails(errors.RequestRejected(f"bad input: {PROMPT}", status=400)))
    text = " ".join(str(vars(record)) for record in log.records)
    for word in ("0532 123", "Siparişim", "yolda"):
        assert word not in text, f"logda {word!r} geçiyor"


@pytest.mark.task(
    "2.2",
    points=8,
    hint="latency_ms çağrının başından sonuna kadardır. started'ı alttaki katmanı çağırmadan hemen önce, "
    "time.perf_counter() ile al.",
    more="log_call süreyi time.perf_counter() - started diye hesaplar: time.time() başka bir saattir. Her "
    "çağrının "
    "kendi started'ı olsun.",
)
@pytest.mark.parametrize("error", [None, errors.ServerError("503"), KeyError("choices")])
def test_the_latency_is_the_whole_calls(
    log: pytest.LogCaptureFixture, clock: Clock, error: Exception | None
) -> None:
    async def handler(request: ChatRequest) -> ChatReply:
        clock.seconds += 2.5
        if error is not None:
            raise error
        return REPLY

    began = time.perf_counter()
    ask(handler)
    longest = (time.perf_counter() - began) * 1000
    latency = the_call(log)["latency_ms"]
    assert 2500 <= latency <= longest + 1, f"2,5 saniyelik çağrı → latency_ms {latency}"


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Çağrı içindeki her kayıt aynı call_id'yi taşımalı: bütün gövdeyi `with "
    "log_context(call_id=new_call_id())` içine al.",
    more="with bloğu alttaki katmanın çağrısını da log_call'ları da kapsasın; kimliği log_call'a alan olarak "
    "vermek, alttaki katmanların kayıtlarına yetmez.",
)
@pytest.mark.parametrize("error", [None, errors.ServerError("503"), KeyError("choices")])
def test_all_records_of_a_call_have_its_id(log: pytest.LogCaptureFixture, error: Exception | None) -> None:
    from safechat.log.events import event

    async def handler(request: ChatRequest) -> ChatReply:
        event(logging.INFO, "chat.retry")
        if error is not None:
            raise error
        return REPLY

    ask(handler)
    ids = {record.getMessage(): vars(record).get("call_id") for record in log.records}
    assert ids.get("chat.retry"), "alttaki katmanın kaydında call_id yok"
    expect("chat.call kaydının call_id'si", ids.get("chat.call"), ids["chat.retry"])


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Her çağrının kimliği başka olmalı ve çağrı bitince kalkmalı: new_call_id() her çağrıda, "
    "__call__'ın "
    "içinde çağrılır.",
    more="Kimliği __init__'te ya da self'te tutma: aynı Logged nesnesinden aynı anda çok çağrı geçer.",
)
def test_each_call_has_an_id_of_its_own(log: pytest.LogCaptureFixture) -> None:
    from safechat.log.events import log_fields

    layer = logged(answers)

    async def main() -> dict[str, object]:
        await layer(REQUEST)
        await layer(REQUEST)
        return dict(log_fields())

    left = virtual_time.run(main())
    ids = [call["call_id"] for call in calls(log)]
    assert len(set(ids)) == 2, f"iki çağrı → call_id'ler {ids}; beklenen: iki ayrı kimlik"
    assert not left, f"çağrı bitti, log_context'te kalan: {left}"


@pytest.mark.task(
    "2.2",
    points=8,
    hint="İptal de bir sondur ve kaydedilir: CancelledError bir Exception değildir, onun için ayrı bir "
    "except "
    'gerekir. Seviye WARNING, outcome "cancelled".',
    more="except asyncio.CancelledError: log_call(logging.WARNING, …) ve ardından raise.",
)
def test_a_cancelled_call_is_one_record_too(log: pytest.LogCaptureFixture, clock: Clock) -> None:
    cancel(clock)
    call = the_call(log)
    expect("outcome, seviye", (call["outcome"], call["levelname"]), ("cancelled", "WARNING"))
    assert call["latency_ms"] >= 1000, f"1 saniye sonra iptal edildi; latency_ms {call['latency_ms']}"
    assert call.get("call_id"), "iptal kaydında call_id yok"


@pytest.mark.task(
    "2.2",
    points=8,
    hint="İptal yutuldu: kullanıcı vazgeçti ama çağrı sürüyor gibi görünüyor. CancelledError bloğunun "
    "sonunda da "
    "`raise` olmalı.",
    more="return None ya da boş bir cevap döndürme; kaydı yaz ve tek başına `raise` de.",
)
def test_a_cancellation_passes(log: pytest.LogCaptureFixture, clock: Clock) -> None:
    assert cancel(clock), "iptal edilen çağrı iptal edilmiş görünmüyor"


def cancel(clock: Clock) -> bool:
    """Cancel a call after a second. Whether it is cancelled then."""

    async def handler(request: ChatRequest) -> ChatReply:
        await asyncio.sleep(60)
        return REPLY

    async def main() -> bool:
        call = asyncio.ensure_future(logged(handler)(REQUEST))
        await asyncio.sleep(1)
        clock.seconds += 1
        call.cancel()
        await asyncio.wait([call])
        if not call.cancelled() and isinstance(call.exception(), NotImplementedError):
            await call
        return call.cancelled()

    return virtual_time.run(main())


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Alttaki katmanların biriktirdiği (başarısız denemeler, onların token'ları) kayda geçmedi: `with "
    "call_record() as record` alttaki çağrıyı da kapsamalı, log_call'a giden de bu record olmalı.",
    more="log_context ile call_record aynı with satırında durabilir: with log_context(…), call_record() as "
    "record:",
)
def test_the_layers_below_share_the_record(log: pytest.LogCaptureFixture) -> None:
    from safechat.log.call_record import call_record

    async def handler(request: ChatRequest) -> ChatReply:
        with call_record() as record:
            record.add(ChatError("kesik", usage=Usage(prompt_tokens=9, completion_tokens=400)))
        return REPLY

    ask(handler)
    expect("failed_completion_tokens", the_call(log).get("failed_completion_tokens"), 400)


@pytest.mark.task(
    "2.2",
    points=8,
    hint="Aynı anda süren iki çağrı birbirine karışıyor: bir çağrıya ait hiçbir şeyi self'e yazma.",
    more="started, record ve kimlik yerel değişken olsun; self'te yalnızca _next durur.",
)
def test_two_calls_at_once_do_not_mix(log: pytest.LogCaptureFixture, clock: Clock) -> None:
    async def handler(request: ChatRequest) -> ChatReply:
        await asyncio.sleep(1 if request.model == "first" else 2)
        return REPLY

    layer = logged(handler)

    async def main() -> None:
        first = asyncio.ensure_future(layer(ChatRequest(REQUEST.messages, "first")))
        await asyncio.sleep(0.5)
        clock.seconds += 1000
        second = asyncio.ensure_future(layer(ChatRequest(REQUEST.messages, "second")))
        await asyncio.gather(first, second)

    virtual_time.run(main())
    latencies = {call["model"]: call["latency_ms"] for call in calls(log)}
    expect("kayıtlar", set(latencies), {"first", "second"})
    assert latencies["first"] - latencies["second"] > 900_000, f"gecikmeler karıştı: {latencies}"


# 2.3 cli.logs.call_timeline


def line(call_id: object, second: float = 0.0, event: str = "chat.call", **fields: object) -> str:
    time = f"2026-11-26T10:00:{second:06.3f}Z"
    return json.dumps({"time": time, "event": event, "call_id": call_id, **fields}) + "\n"


def story(lines: Iterable[str], call_id: str = "a1") -> list[tuple[float, dict[str, Any]]]:
    from safechat.cli.logs import call_timeline

    return list(call_timeline(lines, call_id))


@pytest.mark.task(
    "2.3",
    points=6,
    hint="Yalnızca bu çağrının kayıtları, dosyadaki sırayla: records_with(call_id, lines) sözlükler verir, "
    "onların call_id'sine bak.",
    more="Sonuç (saniye, kayıt) çiftleri; kayıt, records_with'in verdiği sözlüğün kendisi.",
)
def test_the_records_of_the_call_come_in_their_order() -> None:
    lines = [line("a1", 1, "chat.retry"), line("b2", 1), line("a1", 2, model="gpt-5-mini"), line("b2", 3)]
    records = [record for _, record in story(lines)]
    expect("olaylar", [record["event"] for record in records], ["chat.retry", "chat.call"])
    expect("ikinci kayıt", records[1], json.loads(lines[2]))


@pytest.mark.task(
    "2.3",
    points=6,
    hint="Her kaydın yanında, çağrının ilk kaydından beri geçen saniye olmalı (bir önceki kayıttan beri "
    "değil); "
    "ilk kayıtta 0.0.",
    more="moment(kayıt.get('time')) kaydın zamanıdır; ilkini sakla, sonra seconds_between(ilk, şimdiki).",
)
def test_the_seconds_count_from_the_first_record() -> None:
    lines = [line("b2", 1), line("a1", 10), line("a1", 10.5), line("b2", 11), line("a1", 13.25)]
    expect("saniyeler", [seconds for seconds, _ in story(lines)], [0.0, 0.5, 3.25])


@pytest.mark.task(
    "2.3",
    points=6,
    hint="Satırda kimliğin geçmesi yetmez: başka bir alanda da geçebilir, daha uzun bir kimliğin parçası da "
    "olabilir. Kaydın call_id'si tam olarak o olmalı.",
    more="records_with yalnızca bir ön elemedir; karar kayıt.get('call_id') == call_id ile verilir. İlk "
    "zaman da yalnızca bu çağrının kayıtlarından alınır.",
)
def test_the_id_must_be_the_whole_call_id() -> None:
    lines = [
        line("a1b7", 1),
        line("b2", 1, retry_of="a1"),
        line(None, 1, note="a1"),
        line(["a1"], 1),
        line("a1", 2),
    ]
    expect("kayıt sayısı", len(story(lines)), 1)
    expect("saniyeler", [seconds for seconds, _ in story(lines)], [0.0])


@pytest.mark.task(
    "2.3",
    points=6,
    hint="call_id'si olmayan kayıt da vardır (log.lost gibi): kayıt['call_id'] KeyError verir, .get kullan.",
    more="time alanı da eksik olabilir; onu da .get ile oku.",
)
def test_a_record_without_an_id_is_skipped() -> None:
    lines = ['{"event": "log.lost", "note": "a1"}\n', line("a1", 2)]
    expect("kayıt sayısı", len(story(lines)), 1)


@pytest.mark.task(
    "2.3",
    points=6,
    hint="Zamanı okunamayan kayıt da çağrının parçasıdır; onda moment None verir. Ölçüm, zamanı okunan ilk "
    "kayıttan başlar.",
    more="Kaydı atlama (`continue` etme), yalnızca süresi 0.0 olsun. İlk zaman o sırada None kalabilir.",
)
def test_a_record_without_a_time_is_shown_too() -> None:
    timeless = '{"event": "chat.retry", "call_id": "a1"}\n'
    odd = '{"event": "chat.retry", "call_id": "a1", "time": "dün"}\n'
    lines = [timeless, line("a1", 5), odd, line("a1", 7)]
    expect("saniyeler", [seconds for seconds, _ in story(lines)], [0.0, 0.0, 0.0, 2.0])


@pytest.mark.task(
    "2.3",
    points=6,
    hint="lines bir liste olmayabilir: büyük bir dosya satır satır gelir. Üzerinden bir kez geç; len, "
    "indeks ya da "
    "ikinci bir döngü kullanma.",
    more="for text in lines: … tek döngü yeter; ilk kaydın zamanını yolda saklarsın.",
)
def test_the_lines_come_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "chat_api.log"
    path.write_text(line("a1", 1) + line("b2", 2) + line("a1", 3), encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        expect("saniyeler", [seconds for seconds, _ in story(file)], [0.0, 2.0])


@pytest.mark.task(
    "2.3",
    points=6,
    hint="Böyle bir çağrı yoksa sonuç boştur: hata fırlatma, None döndürme.",
    more="Sonuç bir liste ya da yield ile üretilen kayıtlar olabilir; ikisi de boş olabilir.",
)
def test_a_call_that_is_not_there_has_no_records() -> None:
    expect("kayıtlar", story([line("b2", 1)]), [])
