"""Lesson 04 is graded by these: the wait that the API asks for, our own wait, the layer that tries again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

import virtual_time
from expect import pass_on_crash
from safechat import errors
from safechat.errors import ChatError, RateLimited, ServerError
from safechat.log import events
from safechat.messages import ChatReply, ChatRequest

# 4.1 headers.retry_after

NOW = 1_800_000_000.0
RESET = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}


def asks_for(headers: dict[str, str], seconds: float | None) -> None:
    """Fails with the question and the answer, in words."""
    from safechat.headers import retry_after

    came = retry_after(headers, NOW)
    is_right = type(came) is type(seconds) and came == seconds
    assert is_right, f"retry_after({headers!r}, {NOW:.0f}) → {came!r}; beklenen: {seconds!r}"


@pytest.mark.task(
    "4.1",
    points=6,
    hint="En kolay adım: retry-after bir sayıysa seconds_wait onu bekleme yapar. Sayı kesirli de olabilir, "
    "onu kendin okuma. Sonuç None ise: onu döndürdün mü, başlığın adını küçük harfle mi yazdın?",
    more="headers.get('retry-after') bir metindir ya da None'dır; seconds_wait ikisini de kabul eder, float "
    "ya da None verir.",
)
@pytest.mark.parametrize(("value", "seconds"), [("2", 2.0), ("0.5", 0.5), ("86400", 86400.0)])
def test_a_number_is_a_wait_in_seconds(value: str, seconds: float) -> None:
    asks_for({"retry-after": value}, seconds)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="Başlıklarda hiçbir süre yoksa sonuç None olmalı: 0 demek 'hemen gel' demektir, None ise 'bir şey "
    "söylemedi'. Olmayan başlığı .get ile oku.",
    more="Yardımcılara None da verebilirsin, o zaman None döndürürler. Sonunda reset_wait ne derse onu "
    "döndür.",
)
def test_without_a_word_there_is_no_wait() -> None:
    asks_for({}, None)
    asks_for({"content-type": "application/json"}, None)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="retry-after-ms milisaniyedir: onu seconds_wait ile değil, milliseconds_wait ile oku.",
    more="Her başlığın yardımcısı ayrı; milliseconds_wait saniyeye kendisi çevirir.",
)
def test_milliseconds_become_seconds() -> None:
    asks_for({"retry-after-ms": "250"}, 0.25)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="İkisi birden gelince retry-after-ms kazanmalı: Retry-After tam saniyeye yuvarlanmıştır. Önce "
    "milisaniyeye bak.",
    more="İlk bakacağın başlık retry-after-ms. Onu okuyabildiysen hemen döndür, retry-after'a hiç bakma.",
)
def test_milliseconds_count_before_seconds() -> None:
    asks_for({"retry-after": "1", "retry-after-ms": "250"}, 0.25)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="retry-after-ms okunamıyorsa yok say ve retry-after'a geç. Başlığın var olması yetmez, "
    "milliseconds_wait'in None vermemesi gerekir.",
    more="'retry-after-ms' in headers diye sorma. milliseconds_wait'in verdiğini bir değişkende tut ve `is "
    "not None` ile bak; None ise aşağıya devam et.",
)
@pytest.mark.parametrize("value", ["soon", "", "-1"])
def test_milliseconds_that_cannot_be_read_are_passed_over(value: str) -> None:
    asks_for({"retry-after-ms": value, "retry-after": "1"}, 1.0)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="Retry-After bir tarih de olabilir. date_wait(değer, now) onun now'dan farkını verir.",
    more="Saate kendin bakma: now argümanı verildiyse fark ondan hesaplanır.",
)
@pytest.mark.parametrize("seconds", [30.0, 3600.0])
def test_a_date_is_compared_with_now(seconds: float) -> None:
    asks_for({"retry-after": formatdate(NOW + seconds, usegmt=True)}, seconds)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="Geçmişte kalan bir tarih 0.0 saniyedir ve bu da bir cevaptır. `if` de `or` da 0.0'ı yok sayar: "
    "yardımcının verdiğine `is None` ile bak.",
    more="date_wait'in verdiğini bir değişkende tut; reset_wait'e yalnızca o None ise geç.",
)
def test_a_date_that_has_passed_is_no_wait() -> None:
    asks_for({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0.0)
    asks_for({"retry-after": formatdate(NOW - 30, usegmt=True), **RESET}, 0.0)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="0 da bir cevaptır ama Python'da `if 0.0:` yanlış sayılır; `or` da 0'ı atlar. Sayının var olup "
    "olmadığına `is not None` ile bak.",
    more="`a or b`, a 0 olunca b'yi seçer. Her yardımcıdan sonra ayrı ayrı `is not None` yaz.",
)
def test_a_wait_of_zero_is_a_wait() -> None:
    asks_for({"retry-after": "0", **RESET}, 0.0)
    asks_for({"retry-after-ms": "0", "retry-after": "5"}, 0.0)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="Hiçbiri okunamıyorsa son söz reset_wait(headers, now)'undur: dolan limitin ne zaman açılacağını "
    "x-ratelimit başlıklarından okur. Ona now'u da ver.",
    more="İlk üç yardımcı da None verdiyse sonuç reset_wait'indir; o ilk argüman olarak headers'ı alır.",
)
@pytest.mark.parametrize(
    "headers",
    [RESET, {**RESET, "retry-after": "birazdan"}, {"x-ratelimit-reset": f"{NOW + 20:.0f}"}],
    ids=["none", "unreadable", "a unix time"],
)
def test_without_a_retry_after_the_reset_counts(headers: dict[str, str]) -> None:
    asks_for(headers, 20.0)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="float('-5'), float('nan') ve float('inf') hata vermez ama bekleme de değildir. Metni float ya da "
    "int ile değil, seconds_wait ile oku.",
    more="seconds_wait bu metinlere None der. Onlar tarih de değildir, sıra reset_wait'e gelir; o da "
    "bir şey bulamazsa sonuç None'dır.",
)
@pytest.mark.parametrize("value", ["-5", "nan", "inf", "1e400"])
def test_a_number_that_is_no_wait_is_passed_over(value: str) -> None:
    asks_for({"retry-after": value}, None)


@pytest.mark.task(
    "4.1",
    points=6,
    hint="Kimi sunucular bekleme yerine bir unix zamanı yazar (1800000020 gibi). Yardımcılar onu beklemeye "
    "çevirir ama bunun için now'u da isterler: ikinci argüman olarak ver.",
    more="milliseconds_wait(…, now) ve seconds_wait(…, now). now verilmezse bilgisayarın saatine bakarlar.",
)
@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": f"{NOW + 20:.0f}"},
        {"retry-after": f"{1000 * (NOW + 20):.0f}"},
        {"retry-after-ms": f"{1000 * (NOW + 20):.0f}"},
    ],
)
def test_a_unix_time_becomes_a_wait(headers: dict[str, str]) -> None:
    asks_for(headers, 20.0)


# 4.2 retry.backoff


def waits(attempt: int, seconds: float, *, random: float, base: float = 1.0, cap: float = 1000.0) -> None:
    """Fails with the question and the answer, in words."""
    from safechat.retry import RetryPolicy, backoff

    came: object = backoff(RetryPolicy(base=base, cap=cap), attempt, lambda: random)
    call = f"backoff(base={base:g}, cap={cap:g}; attempt={attempt}, random() = {random:g})"
    is_right = type(came) in (int, float) and math.isclose(came, seconds, abs_tol=1e-9)  # type: ignore[arg-type]
    assert is_right, f"{call} → {came!r}; beklenen: {seconds:g}"


@pytest.mark.task(
    "4.2",
    points=4,
    hint="Rastgele sayıyı yalnızca argüman olarak gelen random()'dan al, random modülünü kullanma. "
    "Fonksiyonun içinde `random` o argümandır; bu yüzden `random.uniform` da yoktur.",
    more="random()'ı bir kez çağır: 0 ile 1 arasında bir sayı verir. En kısa ile en uzun bekleme "
    "arasındaki yeri o sayıyla kendin hesapla.",
)
def test_the_random_number_is_the_one_that_is_given() -> None:
    from safechat.retry import RetryPolicy, backoff

    results = {backoff(RetryPolicy(), 2, lambda: 0.5) for _ in range(5)}
    assert len(results) == 1, f"random() hep 0.5 verdi, backoff beş çağrıda {len(results)} ayrı sonuç verdi"


@pytest.mark.task(
    "4.2",
    points=4,
    hint="En uzun bekleme ilk denemeden sonra policy.base'tir ve her denemede ikiye katlanır: 1, 2, 4, 8. "
    "attempt 1'den başlar, üs ise 0'dan. 2 yerine 3,2 geldiyse katlanma doğru, aralık yanlış: random() "
    "ile en uzun eksi en kısa çarpılır.",
    more="2 ** (attempt - 1) ile çarp. random() 1 verdiğinde sonuç en uzun beklemenin kendisi olmalı.",
)
@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (8, 128.0)])
def test_the_longest_wait_doubles(attempt: int, seconds: float) -> None:
    waits(attempt, seconds, random=1.0)


@pytest.mark.task(
    "4.2",
    points=4,
    hint="En uzun bekleme policy.cap'i geçmemeli, deneme sayısı ne olursa olsun.",
    more="Katlanan süreyle policy.cap'in küçüğünü al; min bunun için var.",
)
@pytest.mark.parametrize("attempt", [4, 5, 30])
def test_no_wait_is_longer_than_the_cap(attempt: int) -> None:
    waits(attempt, 6.0, random=1.0, cap=6.0)


@pytest.mark.task(
    "4.2",
    points=4,
    hint="Ayarlar policy'den gelmeli: base ve cap her zaman 0,5 ile 8 değildir.",
    more="Koda sayı olarak yazdığın bir base ya da cap kaldı mı? İkisini de policy.base ve "
    "policy.cap diye oku.",
)
@pytest.mark.parametrize(("attempt", "seconds"), [(1, 0.25), (2, 0.5), (3, 0.75)])
def test_the_settings_are_the_policys_own(attempt: int, seconds: float) -> None:
    waits(attempt, seconds, random=1.0, base=0.25, cap=0.75)


@pytest.mark.task(
    "4.2",
    points=4,
    hint="İlk denemeden sonra bekleme 0 ile base arasında bir yerdedir: random() 0 verirse 0, yarısını "
    "verirse base'in yarısı. Jitter yoksa herkes aynı anda gelir.",
    more="İlk denemede en kısa bekleme 0'dır, 0,6 katı yalnızca attempt > 1 iken geçerlidir.",
)
@pytest.mark.parametrize("random", [0.0, 0.25, 0.5])
def test_the_first_wait_is_anywhere_from_zero(random: float) -> None:
    waits(1, 3.0 * random, random=random, base=3.0)


@pytest.mark.task(
    "4.2",
    points=4,
    hint="İlk denemeden sonrakilerde en kısa bekleme, en uzunun 0,6 katıdır (ilkinde 0): random() 0 verirse "
    "2. denemeden sonra 1,2 saniye.",
    more="En kısa beklemeyi ayrı bir değişkende tut: attempt 1 ise 0, değilse en uzunun 0,6 katı.",
)
@pytest.mark.parametrize(("attempt", "seconds"), [(2, 1.2), (3, 2.4), (4, 4.8)])
def test_later_waits_are_at_least_six_tenths_of_the_longest(attempt: int, seconds: float) -> None:
    waits(attempt, seconds, random=0.0)


@pytest.mark.task(
    "4.2",
    points=4,
    hint="random() en kısa ile en uzun bekleme arasındaki yeri seçer. İki uç arasındaki farkı random() ile "
    "çarp, en kısaya ekle. Aralık en uzunun tamamı değil, en uzun eksi en kısadır.",
    more="Ortada (0,5) sonuç ikisinin tam ortasıdır: en kısa + random() × (en uzun − en kısa).",
)
@pytest.mark.parametrize(("attempt", "random", "seconds"), [(2, 0.5, 1.6), (3, 0.25, 2.8), (4, 0.75, 7.2)])
def test_a_wait_lies_between_the_shortest_and_the_longest(
    attempt: int, random: float, seconds: float
) -> None:
    waits(attempt, seconds, random=random)


@pytest.mark.task(
    "4.2",
    points=4,
    hint="Üst sınıra gelince jitter kayboldu, yine herkes aynı anda gelir. Önce en uzun beklemeyi cap ile "
    "sınırla, en kısayı ve rastgele yeri ondan sonra hesapla.",
    more="min'i sonuca değil, en uzun beklemeye uygula. 0,6 katını sınırlanmış değerden hesapla.",
)
@pytest.mark.parametrize(("random", "seconds"), [(0.0, 4.8), (0.5, 6.4)])
def test_waits_are_spread_at_the_cap_too(random: float, seconds: float) -> None:
    waits(9, seconds, random=random, cap=8.0)


# 4.3 retry.Retried

REQUEST = ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="gpt-5-mini")
Outcome = str | Exception


class Script:
    """A handler that gives the outcomes in turn, the last one again and again, and notes its requests."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.requests: list[ChatRequest] = []
        self.times: list[float] = []

    async def __call__(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        self.times.append(virtual_time.now())
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return ChatReply(text=outcome, model=request.model)

    @property
    def gaps(self) -> list[float]:
        """Seconds between one request and the next."""
        return [round(later - earlier, 3) for earlier, later in zip(self.times, self.times[1:], strict=False)]


@pytest.fixture(autouse=True)
def own_waits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In task 4.3 the backoff is one second after the first attempt, two after the second, and so on: what
    task 4.2 made of it does not matter."""
    mark = request.node.get_closest_marker("task")
    if mark is not None and mark.args == ("4.3",):
        monkeypatch.setattr("safechat.retry.backoff", lambda policy, attempt, random: float(attempt))


def retried(handler: Callable[..., Any], attempts: int = 3) -> Any:
    from safechat.retry import Retried, RetryPolicy

    return Retried(handler, RetryPolicy(attempts=attempts), random=lambda: 0.0)


async def result_of(layer: Any, request: ChatRequest = REQUEST) -> object:
    """The reply, or the error that is raised in its place."""
    try:
        return await layer(request)
    except Exception as error:
        pass_on_crash(error)
        return error


def outcome(handler: Script, attempts: int = 3) -> object:
    """What comes of one call, on a clock that jumps."""
    return virtual_time.run(result_of(retried(handler, attempts)))


def requests(handler: Script, count: int) -> None:
    sent = len(handler.requests)
    assert sent == count, f"{sent} istek gitti; beklenen: {count}"


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Önce her şeyin yolunda gittiği hâl: ilk denemede cevap gelirse try_once'ın verdiği cevabı döndür. "
    "Tek istek gitmeli. NameError görüyorsan o ad görevde yok: derste sayılan adları kullan "
    "ya da onu hücrede import et.",
    more="Dersteki tenacity döngüsünden başla: `print` yerine try_once'ı await et, sonucunu bir değişkende "
    "tut. Kayıt için `with call_record() as record:` yaz, `record = call_record()` kaydı vermez.",
)
def test_an_answer_at_once_takes_one_request() -> None:
    handler = Script("Selam!")
    reply = outcome(handler)
    assert isinstance(reply, ChatReply), f"beklenen bir ChatReply, gelen: {reply!r}"
    assert reply.text == "Selam!"
    requests(handler, 1)


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Denemeye değen bir hatadan sonra istek bir kez daha gitmeli ve cevap dönmeli. Döngünün her turunda "
    "deneme `with attempt:` bloğunun içinde yapılır; hatayı döngüye o blok bildirir.",
    more="Hatayı kendin yakalama. `with attempt:` içinden çıkan hatayı döngü görür, "
    "kurallara sorar, yeni tura geçer.",
)
@pytest.mark.parametrize(
    "error",
    [ServerError("503"), RateLimited("429"), errors.ConnectionFailed("reset"), errors.MalformedReply("<")],
    ids=lambda error: error.kind,
)
def test_what_can_be_helped_is_tried_again(error: ChatError) -> None:
    handler = Script(error, "Selam!")
    reply = outcome(handler)
    assert isinstance(reply, ChatReply), f"beklenen bir ChatReply, gelen: {reply!r}"
    requests(handler, 2)


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Bu hatayı yeniden denemek işe yaramaz (kredi bitti, istek yanlış…): ilk denemede fırlat. Kararı "
    "hazır döngü verir; AsyncRetrying'i kendin kurma, retry_loop'u kullan.",
    more="Dersteki örnekte AsyncRetrying(…) yazan yere retry_loop'u dört argümanıyla koy.",
)
@pytest.mark.parametrize(
    "error",
    [
        errors.QuotaExhausted("429"),
        errors.RequestRejected("400"),
        errors.AuthenticationFailed("401"),
        LookupError("not ours"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_be_helped_is_not_tried_again(error: Exception) -> None:
    handler = Script(error, "Selam!")
    came = outcome(handler)
    requests(handler, 1)
    assert came is error, f"{error!r} fırlatılmalıydı, gelen: {came!r}"


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Deneme sayısının sınırı policy.attempts, ilk deneme de sayılır. Sınırlara retry_loop bakar; ona "
    "kendi ayarını değil, self._policy'yi ver.",
    more="Argümanların sırası: request, self._policy, self._random, budget. Başka döngü gerekmez.",
)
@pytest.mark.parametrize("attempts", [1, 3, 5])
def test_the_attempts_are_bounded(attempts: int) -> None:
    handler = Script(ServerError("503"))
    outcome(handler, attempts)
    requests(handler, attempts)


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Vazgeçince son denemenin hatası, olduğu gibi fırlatılmalı: hatayı yakalayıp döndürme. tenacity'nin "
    "RetryError'ı geliyorsa döngüyü retry_loop ile kur.",
    more="retry_loop son hatayı kendisi fırlatır; try/except'e gerek kalmaz.",
)
def test_the_last_error_itself_is_raised() -> None:
    last = ServerError("üçüncü")
    handler = Script(ServerError("birinci"), ServerError("ikinci"), last, "geç geldi")

    async def raises(request: ChatRequest) -> object:
        returned = await retried(handler)(request)
        pytest.fail(f"hata fırlatılmadı, {returned!r} döndü")

    came = virtual_time.run(result_of(raises))
    assert came is last, f"{last!r} fırlatılmalıydı, gelen: {came!r}"


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Denemeler arasındaki bekleme yanlış. Süreyi retry_loop seçer ve bekler; kendin bekleme.",
    more="asyncio.sleep de time.sleep de yazma. backoff'u da çağırma: retry_loop onu çağırıyor.",
)
def test_it_waits_between_the_attempts() -> None:
    handler = Script(ServerError("503"))
    outcome(handler)
    assert handler.gaps == [1.0, 2.0], f"denemeler arası (sn): {handler.gaps}; beklenen: [1.0, 2.0]"


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Beklemeye katılan rastgele sayı, katmana verilen self._random'dan gelmeli: retry_loop'a üçüncü "
    "argüman olarak onu ver.",
    more="`_random.random` modülün sayısıdır. Testte self._random hep 0 verir; bekleme tam 5 saniye olmalı.",
)
def test_it_waits_as_long_as_the_api_asks() -> None:
    handler = Script(RateLimited("429", retry_after=5.0), "Selam!")
    outcome(handler)
    assert handler.gaps == [5.0], f"denemeler arası (sn): {handler.gaps}; beklenen: [5.0]"


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Her isteğin attempt alanı denemenin numarası olmalı (1, 2, 3…), öbür alanları değişmemeli: "
    "replace(request, attempt=numara). Numara attempt.retry_state.attempt_number'dadır.",
    more="replace yeni bir istek verir, eskisini değiştirmez. try_once'a request'i değil, "
    "replace'ten dönen isteği ver.",
)
def test_every_request_has_its_number() -> None:
    handler = Script(ServerError("503"))
    outcome(handler)
    numbers = [request.attempt for request in handler.requests]
    assert numbers == [1, 2, 3], f"isteklerin attempt alanları {numbers}; beklenen: [1, 2, 3]"
    assert all(replace(request, attempt=1) == REQUEST for request in handler.requests)


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Cevap (ya da hata) kaç istek yapıldığını söylemeli. Denemeyi self._next ile değil try_once ile "
    "yap, cevabı record.counted'dan geçir.",
    more="call_record() bloğunun içindeki record'u try_once'a ver; blok, döngünün "
    "tamamını ve return'ü kapsasın.",
)
def test_the_requests_are_counted() -> None:
    reply = outcome(Script(ServerError("503"), ServerError("503"), "Selam!"))
    assert isinstance(reply, ChatReply), f"beklenen bir ChatReply, gelen: {reply!r}"
    assert reply.attempts == 3, f"cevabın attempts alanı {reply.attempts}; beklenen: 3"
    error = outcome(Script(*(ServerError("503") for _ in range(3))))
    assert isinstance(error, ServerError), f"ServerError fırlatılmalıydı, gelen: {error!r}"
    assert error.attempts == 3, f"hatanın attempts alanı {error.attempts}; beklenen: 3"


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Her beklemeden önce chat.retry kaydı yazılmalı, her başarısız deneme için de chat.attempt_failed. "
    "İlkini retry_loop yazar, ikincisini try_once.",
    more="chat.attempt_failed eksikse denemeyi try_once yapmıyordur, fazlaysa onu iki kez çağırıyorsundur.",
)
def test_each_retry_is_logged() -> None:
    seen: list[tuple[str, Mapping[str, object]]] = []
    stop = events.listen(lambda level, name, fields: seen.append((name, fields)))
    try:
        outcome(Script(ServerError("503"), ServerError("503"), "Selam!"))
    finally:
        stop()
    names = [name for name, _ in seen]
    assert names == ["chat.attempt_failed", "chat.retry"] * 2, f"loga yazılanlar: {names}"
    waited = [fields["wait_ms"] for name, fields in seen if name == "chat.retry"]
    assert waited == [1000, 2000], f"chat.retry kayıtlarındaki wait_ms: {waited}; beklenen: [1000, 2000]"


async def all_of(layer: Any, calls: int, model: str = "gpt-5-mini") -> list[object]:
    request = replace(REQUEST, model=model)
    return await asyncio.gather(*(result_of(layer, request) for _ in range(calls)))


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Kapalı bir API'ye yağan tekrarlar durmadı: bütün çağrılar aynı bütçeyi kullanmalı. Her çağrıda "
    "yeni bir RetryBudget kurarsan bütçe işe yaramaz; self._budgets'ta sakla ve retry_loop'a onu ver.",
    more="Sözlükte modelin bütçesi varsa onu al, yoksa kur ve sakla: dict.setdefault tam bunu yapar.",
)
def test_all_calls_share_one_budget() -> None:
    handler = Script(ServerError("503"))
    virtual_time.run(all_of(retried(handler), 200))
    sent = len(handler.requests)
    assert sent < 400, f"200 çağrı {sent} istek gönderdi; ortak bütçeyle 250 olmalıydı"


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Bütçe, çağrıların beşte biri kadardır; bunun için her çağrı bir kez sayılmalı: "
    "budget.called(clock.now()). Tekrarlar çağrı sayılmaz.",
    more="called'ı döngünün dışında, ilk denemeden önce çağır. 250'den azsa hiç sayılmıyor ya da "
    "yalnızca bütçe kurulurken sayılıyor, çoksa tekrarlar da sayılıyordur.",
)
def test_each_call_is_counted_once() -> None:
    handler = Script(ServerError("503"))
    virtual_time.run(all_of(retried(handler), 200))
    sent = len(handler.requests)
    assert sent == 250, f"200 çağrı {sent} istek gönderdi; beklenen: 200 + 200'ün beşte biri + 10 = 250"


@pytest.mark.task(
    "4.3",
    points=10,
    hint="Her modelin bütçesi ayrı: hasta bir model, sağlam olanın tekrar hakkını tüketmemeli. self._budgets "
    "sözlüğünün anahtarı request.model'dir.",
    more="Anahtar olarak sabit bir metin ya da tek bir nitelik kullandıysan bütün modeller aynı "
    "bütçeyi paylaşır.",
)
def test_each_model_has_its_own_budget() -> None:
    async def handler(request: ChatRequest) -> ChatReply:
        if request.model == "hasta" or request.attempt == 1:
            raise ServerError("503")
        return ChatReply(text="Selam!", model=request.model)

    async def main() -> object:
        layer = retried(handler)
        await all_of(layer, 50, "hasta")
        return (await all_of(layer, 1, "saglam"))[0]

    reply = virtual_time.run(main())
    assert isinstance(reply, ChatReply), f"sağlam model yeniden denenmedi: {reply!r}"
