"""Lesson 05 is graded by these: the circuit breaker, and the next model when one cannot answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import pytest

import virtual_time
from safechat import errors
from safechat.errors import ChatError
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.testing import ScriptedHandler

if TYPE_CHECKING:
    from safechat.breaker import CircuitBreaker, Permit
    from safechat.fallback import Fallback

# 5.1 breaker.CircuitBreaker


def breaker_of(failures: int = 3, window: float = 30, cooldown: float = 10) -> CircuitBreaker:
    from safechat.breaker import BreakerPolicy, CircuitBreaker

    return CircuitBreaker(BreakerPolicy(failures=failures, window=window, cooldown=cooldown))


def permitted(breaker: CircuitBreaker, now: float) -> Permit:
    permit = breaker.permit(now)
    why = "; self.probe dolu kalmış" if breaker.probe is not None else ""
    assert permit is not None, f"{now:g}. saniyede permit(now) None döndürdü; izin vermeliydi{why}"
    return permit


def refused(breaker: CircuitBreaker, now: float) -> None:
    permit = breaker.permit(now)
    assert permit is None, f"{now:g}. saniyede permit(now) izin verdi; None döndürmeliydi"


def fails(breaker: CircuitBreaker, *times: float) -> None:
    """A call that fails at each of these times, at once."""
    for now in times:
        permitted(breaker, now).failed(now)


def is_in(breaker: CircuitBreaker, state: str, now: float) -> None:
    came = breaker.state(now)
    assert came == state, f"{now:g}. saniyede state(now) → {came!r}; beklenen: {state!r}"


def opened(failures: int = 3, cooldown: float = 10) -> CircuitBreaker:
    """Open since second 0."""
    breaker = breaker_of(failures=failures, cooldown=cooldown)
    fails(breaker, *[0] * failures)
    return breaker


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Yeni kesici kapalıdır: permit(now) her çağrıya kendi iznini, Permit(self, now)'ı döndürür.",
    more="Devre kapalı mı, self.state(now) söyler. Kapalı devrede izinlerin sayısı sınırsızdır; probe "
    "yalnızca yarı açıkken dolar.",
)
def test_closed_it_lets_every_call_go() -> None:
    from safechat.breaker import Permit

    breaker = breaker_of()
    is_in(breaker, "closed", 0)
    first, second = permitted(breaker, 7), permitted(breaker, 8)
    assert isinstance(first, Permit), f"permit(7) → {first!r}; beklenen bir Permit"
    began = (first.began, second.began)
    assert began == (7, 8), f"permit(7) ile permit(8)'in `began`'ları: {began}; beklenen: (7, 8)"


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Kapalıyken verilen izin deneme çağrısı değildir: self.probe yalnızca devre yarı açıkken dolar.",
    more="İzni self.probe'a koymadan önce sor: devre açılmış mı (self.open_until dolu mu)?",
)
def test_while_it_is_closed_no_permit_is_the_probe() -> None:
    breaker = breaker_of()
    permitted(breaker, 0)
    assert breaker.probe is None, "devre kapalıyken permit(0) verilen izni self.probe'a koydu"


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Art arda policy.failures çağrı başarısız olunca devre açılmalı; bir eksiğinde hâlâ kapalı, "
    "açıkken permit(now) None.",
    more="take_back'te 'failed' gelince self.count_failure(permit, now)'ı bir kez çağır; verdiği sayı "
    "policy.failures'a ulaştıysa (>=) open_until'i doldur.",
)
@pytest.mark.parametrize("failures", [1, 3])
def test_failures_in_a_row_open_it(failures: int) -> None:
    breaker = breaker_of(failures=failures)
    for number in range(failures):
        is_in(breaker, "closed", number)
        fails(breaker, number)
    is_in(breaker, "open", failures)
    refused(breaker, failures)


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Devre, başarısızlığın geldiği andan (take_back'in now'ı) başlayarak tam policy.cooldown saniye "
    "açık kalır; o an gelince yarı açıktır ('half_open').",
    more="open_until, cooldown'ın biteceği andır. Çağrının başladığı andan (permit.began) değil, bittiği "
    "andan say.",
)
def test_after_the_cooldown_it_is_half_open() -> None:
    breaker = breaker_of(failures=1, cooldown=10)
    permitted(breaker, 0).failed(4)
    is_in(breaker, "open", 13.9)
    refused(breaker, 13.9)
    is_in(breaker, "half_open", 14)
    is_in(breaker, "half_open", 100)


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Yarı açıkken tek bir çağrı, yani deneme çağrısı geçer; o bitene kadar ötekilerin izni None.",
    more="Verdiğin izni self.probe'da tut; probe doluyken permit None döndürür. Kapalıyken verdiğin "
    "izinleri oraya koyma.",
)
def test_half_open_lets_one_call_go() -> None:
    breaker = opened(cooldown=10)
    permitted(breaker, 10)
    refused(breaker, 10)
    refused(breaker, 500)
    is_in(breaker, "half_open", 500)


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Biten deneme çağrısının yeri boşalmalı, sonucu ne olursa olsun: self.probe yeniden None olmazsa "
    "bir daha kimse izin alamaz.",
    more="probe'u 'answered' ve 'failed' dallarında değil, onlardan bağımsız boşalt; ama önce biten çağrının "
    "deneme olup olmadığına bak.",
)
@pytest.mark.parametrize("outcome", ["answered", "failed", "unknown"])
def test_the_probe_makes_room_whatever_its_outcome(outcome: str) -> None:
    breaker = opened(cooldown=10)
    with permitted(breaker, 10) as probe:
        if outcome == "answered":
            probe.answered(11)
        elif outcome == "failed":
            probe.failed(11)
        # An outcome that is unknown (the user gave up) is said by nobody.
    assert breaker.probe is None, f"deneme çağrısı {outcome!r} ile bitti, ama self.probe boşalmamış"


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Deneme çağrısı cevap alınca devre kapanmalı: herkes yeniden geçer, eski hatalar unutulur.",
    more="'answered' gelince open_until yeniden None, sayaç 0, probe da boş olmalı.",
)
def test_the_answer_of_the_probe_closes_it() -> None:
    breaker = opened(failures=2)
    permitted(breaker, 10).answered(11)
    is_in(breaker, "closed", 11)
    permitted(breaker, 11)
    fails(breaker, 12)
    is_in(breaker, "closed", 12)


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Deneme çağrısı başarısızsa tek hata yeter: devre, policy.failures'ı beklemeden bir cooldown daha "
    "açık kalır; sonra yeni bir deneme çağrısı geçer.",
    more="Biten çağrının izni self.probe ise bunu aklında tut (probe'u boşaltmadan önce bak!), 'failed' "
    "gelince sayaca bakmadan aç.",
)
def test_the_failure_of_the_probe_opens_it_again() -> None:
    from safechat.breaker import refuses_for

    breaker = breaker_of(failures=3, window=5, cooldown=10)  # the window is over when the probe fails
    fails(breaker, 0, 0, 0)
    permitted(breaker, 10).failed(12)
    is_in(breaker, "open", 21.9)
    assert refuses_for(breaker, 12) == 10, "open_until, paketin kalanı için de doğru olmalı"
    is_in(breaker, "half_open", 22)
    permitted(breaker, 22).answered(22)
    is_in(breaker, "closed", 22)


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Sayılan, art arda gelen hatalar: aradaki bir cevap sayacı sıfırlar.",
    more="'answered' dalı deneme çağrısından başkası için de çalışmalı.",
)
def test_an_answer_in_between_begins_the_count_again() -> None:
    breaker = breaker_of(failures=3)
    fails(breaker, 0, 1)
    permitted(breaker, 2).answered(2)
    fails(breaker, 3, 4)
    is_in(breaker, "closed", 4)
    fails(breaker, 5)
    is_in(breaker, "open", 5)


@pytest.mark.task(
    "5.1",
    points=8,
    hint="'unknown' (iptal edilen çağrı, yanlış istek) hedef hakkında bir şey söylemez: sayacı ne artırır "
    "ne sıfırlar, devreyi ne açar ne kapatır.",
    more="'answered' ile 'failed'i tek tek sor; else dalı 'unknown'ı da içine alır.",
)
def test_an_unknown_outcome_changes_nothing() -> None:
    breaker = breaker_of(failures=2)
    for now in (0, 1, 2):
        with permitted(breaker, now):
            pass  # nothing is said of it
    is_in(breaker, "closed", 2)
    fails(breaker, 3)
    with permitted(breaker, 4):
        pass
    is_in(breaker, "closed", 4)
    fails(breaker, 5)
    is_in(breaker, "open", 5)


@pytest.mark.task(
    "5.1",
    points=8,
    hint="Eski hatalar unutulmalı: kaç hata olduğunu kendin sayma, self.count_failure(permit, now) söyler.",
    more="self.failures'ı kendin artırma; count_failure zamanı geçenleri unutarak sayar.",
)
def test_failures_are_forgotten_after_the_window() -> None:
    breaker = breaker_of(failures=2, window=30)
    fails(breaker, 0)
    permitted(breaker, 30.1).failed(31)
    is_in(breaker, "closed", 31)
    permitted(breaker, 61).failed(75)  # it began in time, and took long
    is_in(breaker, "open", 75)


# 5.2 fallback.Fallback

FIRST, SECOND, THIRD = "gpt-5-mini", "gpt-6.1-terra", "gpt-4.1-mini"
REQUEST = ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model=FIRST)


class NeverOpen:
    """A breaker that lets every call go, in place of task 5.1's. `outcomes` are those that it was given."""

    open_until = None
    probe = None

    def __init__(self, policy: object = None) -> None:
        self.policy = policy
        self.outcomes: list[str] = []

    def state(self, now: float) -> str:
        return "closed"

    def permit(self, now: float) -> object:
        from safechat.breaker import Permit

        return Permit(self, now)  # type: ignore[arg-type]

    def take_back(self, permit: object, outcome: str, now: float) -> None:
        self.outcomes.append(outcome)


@pytest.fixture
def breakers(monkeypatch: pytest.MonkeyPatch) -> list[NeverOpen]:
    """Those that the layer makes, in their order."""
    from safechat import guard

    made: list[NeverOpen] = []

    def make(policy: object = None) -> NeverOpen:
        made.append(NeverOpen(policy))
        return made[-1]

    monkeypatch.setattr(guard, "CircuitBreaker", make)
    return made


def layer_of(first: Handler, *others: Handler) -> Fallback:
    from safechat.fallback import Fallback, Target

    targets = [Target(handler, model) for handler, model in zip(others, (SECOND, THIRD), strict=False)]
    return Fallback(first, targets)


def outcome(call: Coroutine[Any, Any, ChatReply]) -> object:
    """The reply, or the ChatError that is raised in its place, on a clock that jumps."""

    async def main() -> object:
        try:
            reply = await call
        except ChatError as error:
            return error
        if asyncio.iscoroutine(reply):
            reply.close()
            return "bir cevap değil, 'coroutine' object döndürüldü"
        return reply if isinstance(reply, ChatReply) else f"raise edilmedi, döndürüldü: {reply!r}"

    return virtual_time.run(main())


def text(came: object) -> str:
    """What to compare: an answer's text, the class of an error that was raised, or what else was returned."""
    if isinstance(came, str):
        return came
    return came.text if isinstance(came, ChatReply) else type(came).__name__


def gives(came: object, wanted: str) -> None:
    """`wanted` is the text of an answer, or the class of an error."""
    assert text(came) == wanted, f"gelen: {text(came)}; beklenen: {wanted}"


def asked(*handlers: ScriptedHandler) -> list[int]:
    return [len(handler.requests) for handler in handlers]


pytestmark = pytest.mark.usefixtures("breakers")


@pytest.mark.task(
    "5.2",
    points=8,
    hint="İlk model cevap verdiyse iş bitmiştir: o cevabı döndür, sıradakine hiç sorma. Bir coroutine "
    "döndürdüysen `await` unutulmuştur.",
    more="Döngünün içinde `return await turn.reply()`.",
)
def test_the_first_answer_is_the_answer() -> None:
    first, second = ScriptedHandler("Selam!"), ScriptedHandler("yedek")
    came = outcome(layer_of(first, second)(REQUEST))
    gives(came, "Selam!")
    assert asked(first, second) == [1, 0], f"[birinci, ikinci] kaç kez soruldu: {asked(first, second)}"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="Başka modelin düzeltebileceği bir hatada (error.falls_back) sıradaki modele geçilmeli ve onun "
    "cevabı döndürülmeli. Kapatılan model de, devresi açık model de böyledir.",
    more="turn.reply() çağrısını try içine al, ChatError'ı yakala ve döngüye devam et. Tek tek sınıf yazma: "
    "karar hatanın üzerinde.",
)
@pytest.mark.parametrize(
    "name", ["ServerError", "RateLimited", "ModelUnavailable", "CircuitOpen", "EmptyReply"]
)
def test_the_next_model_answers(name: str) -> None:
    first, second = ScriptedHandler(getattr(errors, name)("down")), ScriptedHandler("yedek")
    came = outcome(layer_of(first, second)(REQUEST))
    gives(came, "yedek")
    assert asked(first, second) == [1, 1], f"[birinci, ikinci] kaç kez soruldu: {asked(first, second)}"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="Yanlış istek yedekte de yanlıştır: error.falls_back False ise sıradakine sorma, hatanın kendisini "
    "fırlat.",
    more="`raise last_error(failed)` tek hata varken o hatanın kendisidir. Cevap verilmeyen hiçbir yol None "
    "döndürmemeli.",
)
@pytest.mark.parametrize(
    "name", ["RequestRejected", "AuthenticationFailed", "ContentFiltered", "QuotaExhausted"]
)
def test_what_no_model_would_mend_is_raised(name: str) -> None:
    error = getattr(errors, name)("wrong")
    first, second = ScriptedHandler(error), ScriptedHandler("yedek")
    came = outcome(layer_of(first, second)(REQUEST))
    gives(came, name)
    assert str(came) == "wrong", f"hatanın mesajı: {came}; beklenen: wrong"
    assert asked(second) == [0], "yedeğe boşuna soruldu"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="Kararı hatanın sınıfına değil kendisine sor: error.falls_back. İlk parçası kullanıcıya ulaşmış "
    "bir stream'in ServerError'ında yedeğe geçilmez.",
    more="isinstance ya da type(error).falls_back sınıfın söylediğidir; hata onu kendisi için değiştirmiş "
    "olabilir.",
)
@pytest.mark.parametrize(("name", "falls_back"), [("ServerError", False), ("QuotaExhausted", True)])
def test_the_error_itself_decides(name: str, falls_back: bool) -> None:
    error = getattr(errors, name)("…", falls_back=falls_back)
    came = outcome(layer_of(ScriptedHandler(error), ScriptedHandler("yedek"))(REQUEST))
    wanted = "yedek" if falls_back else name
    assert text(came) == wanted, f"{name}(falls_back={falls_back}) → {text(came)}; beklenen: {wanted}"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="Modeller listedeki sırayla, birer kez sorulur; cevap gelene kadar hepsine sıra gelmeli.",
    more="İlk yedekten sonra durma: `for turn in self._targets.turns(request)` bütün sıraları verir.",
)
def test_all_models_are_asked_in_their_order() -> None:
    order: list[str] = []

    def fails_as(name: str) -> Handler:
        async def handler(request: ChatRequest) -> ChatReply:
            order.append(request.model)
            if name == "answers":
                return ChatReply("üçüncü", request.model)
            raise getattr(errors, name)(request.model, model=request.model)

        return handler

    came = outcome(
        layer_of(fails_as("ModelUnavailable"), fails_as("ServerError"), fails_as("answers"))(REQUEST)
    )
    assert order == [FIRST, SECOND, THIRD], f"sorulan modeller: {order}"
    gives(came, "üçüncü")


@pytest.mark.task(
    "5.2",
    points=8,
    hint="Sırası gelen model, süreden payına düşenle yetinir; yoksa susan ilk model yüzünden yedeğe hiç "
    "süre kalmaz. Modele turn.reply() ile sor, turn.target'ı kendin çağırma.",
    more="`await turn.reply()` yeterli; süreyi paylaştırmak onun işi.",
)
def test_a_model_that_is_silent_leaves_time_for_the_next() -> None:
    async def silent(request: ChatRequest) -> ChatReply:
        await asyncio.sleep(3600)
        raise AssertionError

    async def main() -> tuple[object, float]:
        began = virtual_time.now()
        request = ChatRequest(messages=REQUEST.messages, model=FIRST, timeout=10, deadline=began + 60)
        layer = layer_of(silent, ScriptedHandler("yedek"))
        try:
            return await asyncio.wait_for(layer(request), 600), virtual_time.now() - began
        except (ChatError, TimeoutError) as error:
            return error, virtual_time.now() - began

    came, seconds = virtual_time.run(main())
    assert text(came) == "yedek", f"{seconds:.0f} saniye sonra: {came!r}"
    assert seconds < 60, f"yedeğin cevabı {seconds:.0f} saniye sonra geldi; beklenen: 60 saniyeden önce"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="İstekler bütün çağrı için sayılır: ilk model bir, yedek bir istek harcadıysa attempts 2'dir. "
    "Döngü `with call_record():` bloğunun içinde olmalı.",
    more="Blok her turda yeniden değil, döngünün dışında, bir kez açılır.",
)
def test_requests_are_counted_over_all_models() -> None:
    first, second = ScriptedHandler(errors.ServerError("503")), ScriptedHandler("yedek")
    came = outcome(layer_of(first, second)(REQUEST))
    assert isinstance(came, ChatReply), f"gelen: {text(came)}; beklenen: yedeğin cevabı"
    assert came.attempts == 2, f"cevabın `attempts`'i: {came.attempts}; beklenen: 2"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="Hiçbir model cevap vermediyse last_error(failed) fırlatılmalı; failed, bütün modellerin "
    "hatalarıdır, geldikleri sırayla. Böylece mesaj hepsini sayar.",
    more="Döngüden önce boş bir liste aç, her except'te hatayı ekle, son sırada da (turn.next_model None) "
    "döngüden çık. `except` içindeki `raise` yalnız son hatayı fırlatır.",
)
def test_when_no_model_answers_the_last_error_sums_up() -> None:
    first = ScriptedHandler(errors.ServerError("503", model=FIRST))
    second = ScriptedHandler(errors.RateLimited("429", model=SECOND))
    came = outcome(layer_of(first, second)(REQUEST))
    gives(came, "RateLimited")
    wanted = f"no model answered ({FIRST} server_error ×1, {SECOND} rate_limited ×1); the last: 429"
    assert str(came) == wanted, f"hatanın mesajı: {came}; beklenen: {wanted}"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="Süre dolduysa (time_is_over(request)) yeni bir modele sorulmaz: cevabını bekleyen kalmamıştır. "
    "Eldeki hata fırlatılır.",
    more="Döngüden çıkma koşuluna time_is_over(request)'i de ekle.",
)
def test_no_model_is_asked_after_the_deadline() -> None:
    async def begins_and_fails_late(request: ChatRequest) -> ChatReply:
        assert request.on_start is not None
        request.on_start({})
        await asyncio.sleep(5)
        raise errors.ServerError("503", model=FIRST)

    async def nothing(piece: str) -> None:
        """No piece comes."""

    second = ScriptedHandler("yedek")

    async def main() -> ChatReply:
        deadline = virtual_time.now() + 3
        stream = ChatRequest(REQUEST.messages, FIRST, deadline=deadline, on_piece=nothing)
        return await layer_of(begins_and_fails_late, second)(stream)

    came = outcome(main())
    gives(came, "ServerError")
    assert asked(second) == [0], "süre dolduktan sonra yedeğe soruldu"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="Yedeğe her geçiş loga yazılmalı: log_fallback(error, turn.next_model). Geçilmiyorsa (yanlış "
    "istek, son model, dolan süre) yazılmaz.",
    more="log_fallback'i, döngüden çıkma koşulundan sonra çağır.",
)
def test_each_fallback_is_logged_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "safechat")
    down = [ScriptedHandler(errors.ServerError("503", model=model)) for model in (FIRST, SECOND, THIRD)]
    outcome(layer_of(*down)(REQUEST))
    outcome(layer_of(ScriptedHandler(errors.RequestRejected("400")), ScriptedHandler("yedek"))(REQUEST))
    logged = [vars(record) for record in caplog.records if record.getMessage() == "chat.fallback"]
    changes = [f"{fields['model']} → {fields['next_model']}" for fields in logged]
    assert changes == [f"{FIRST} → {SECOND}", f"{SECOND} → {THIRD}"], f"loga yazılan geçişler: {changes}"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="Yalnızca ChatError'da yedeğe geçilir. Programın kendi yanlışı (TypeError) ve iptal "
    "(CancelledError) olduğu gibi yukarı çıkmalı; onları yakalama.",
    more="`except ChatError as error` yaz; `except Exception` programın yanlışını da yutar.",
)
@pytest.mark.parametrize(
    "error",
    [TypeError("a parameter that does not exist"), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
def test_what_is_no_chat_error_passes(error: BaseException) -> None:
    async def broken(request: ChatRequest) -> ChatReply:
        raise error

    second = ScriptedHandler("yedek")

    async def main() -> str:
        try:
            return (await layer_of(broken, second)(REQUEST)).text
        except BaseException as passed:
            return type(passed).__name__

    came, wanted = virtual_time.run(main()), type(error).__name__
    assert came == wanted, f"gelen: {came}; beklenen: {wanted}"
    assert asked(second) == [0], f"{wanted} geldi ama yedeğe soruldu"


@pytest.mark.task(
    "5.2",
    points=8,
    hint="`__init__` hazırdı ve değişmiş: verilen yedekler, kesicinin ayarları ve süre sınırları Targets'a "
    "gitmeli; Targets da bir kez kurulmalı ki kesiciler çağrıdan çağrıya hatırlasın.",
    more="Hücrenin ilk hâlindeki `__init__`'i geri koy.",
)
def test_the_breakers_remember_and_have_their_settings(breakers: list[NeverOpen]) -> None:
    from safechat.breaker import BreakerPolicy
    from safechat.fallback import Fallback, Target, TimeLimits

    policy = BreakerPolicy(failures=7)
    down = ScriptedHandler(errors.RequestTimedOut("late"))
    layer = Fallback(
        down, [Target(ScriptedHandler("yedek"), SECOND)], policy, TimeLimits(timeout=10, deadline=60)
    )
    short = ChatRequest(REQUEST.messages, FIRST, timeout=1)
    for request in (REQUEST, short):
        outcome(layer(request))
    policies = [breaker.policy for breaker in breakers]
    assert policies == [policy, policy], f"iki kesicinin ayarları: {policies}; beklenen: iki kez {policy}"
    # A call's own short timeout says nothing of the model: that is what the time limits are for.
    outcomes = breakers[0].outcomes
    wanted = ["failed", "unknown", "unknown"]
    assert outcomes == wanted, f"birinci kesiciye bildirilenler: {outcomes}; beklenen: {wanted}"
