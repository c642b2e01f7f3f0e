"""Lesson 03 is graded by these: a reservation, the layer that waits and settles, the bounded queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

import pytest

import virtual_time
from expect import pass_on_crash
from safechat import errors
from safechat.errors import ChatError
from safechat.messages import ChatReply, ChatRequest
from safechat.usage import Usage

# 3.1 limits.quota.Reservation


class Held:
    """A reservation of 1,000 tokens, and a bucket, a window and slots that note what they are told."""

    def __init__(self, *, with_bucket: bool = True) -> None:
        from safechat.limits.quota import Reservation

        self.settled: list[float] = []
        self.entered: list[object] = []
        self.left: list[object] = []
        self.released = 0
        parts: Any = (self if with_bucket else None, Window(self), self)
        self.reservation = Reservation(1000, *parts)

    def settle(self, difference: float) -> None:
        self.settled.append(difference)

    def release(self) -> None:
        self.released += 1


class Window:
    def __init__(self, held: Held) -> None:
        self._held = held

    def enter(self, call: object) -> None:
        self._held.entered.append(call)

    def leave(self, call: object) -> None:
        self._held.left.append(call)


@pytest.mark.task(
    "3.1",
    points=6,
    hint="`__enter__` hazırdı, değişmiş: pencereye girer ve self'i döndürür. `__init__` de Held'den gelir.",
    more="`__enter__` içinde `return self` yoksa `as`'tan sonraki ad None olur.",
)
def test_at_its_beginning_it_is_in_the_window() -> None:
    held = Held()
    assert not held.entered, "pencereye `with`'ten önce girilmiş"
    reservation = held.reservation.__enter__()
    assert reservation is held.reservation, f"`with … as r` → r: {reservation!r}; beklenen: kendisi"
    assert held.entered == [reservation], f"window.enter çağrıları: {len(held.entered)}; beklenen: 1"
    assert (held.left, held.released) == ([], 0), "çağrı sürerken pencere ya da yer geri verilmiş"
    with suppress(AttributeError, TypeError, NameError):  # what `__exit__` does wrong is the next test's
        reservation.__exit__(None, None, None)


@pytest.mark.task(
    "3.1",
    points=6,
    hint="Blok nasıl biterse bitsin (cevap, hata, iptal) `__exit__` hem pencereden çıkmalı (self.land) hem "
    "yeri geri vermeli (self.slot.end), koşulsuz. Verilmeyen yer, bir daha hiç kimsenin olmaz.",
    more="`__exit__` iki iş yapar: self.land() ve self.slot.end(). Hatanın ne olduğuna bakması gerekmez, "
    "self._window ile self._slots'a da.",
)
@pytest.mark.parametrize(
    "error", [None, KeyError("x"), asyncio.CancelledError()], ids=["answer", "error", "cancelled"]
)
def test_the_place_and_the_slot_are_given_back_however_it_ends(error: BaseException | None) -> None:
    held = Held()
    try:
        with held.reservation:
            if error is not None:
                raise error
    except (KeyError, asyncio.CancelledError):
        pass
    assert held.left, "pencereden çıkılmadı: self.land() çağrılmadı"
    assert held.left == [held.reservation], f"window.leave çağrıları: {len(held.left)}; beklenen: 1"
    assert held.released == 1, f"geri verilen yer: {held.released}; beklenen: 1"


@pytest.mark.task(
    "3.1",
    points=6,
    hint="Rezervasyon hatayı yutuyor: `__exit__` doğru (True) bir değer döndürürse `with` hatayı yok sayar. "
    "Hiçbir şey döndürmesin.",
    more="`__exit__` içinde `return` yazma. Hata zaten kendiliğinden dışarı çıkar.",
)
@pytest.mark.parametrize("error", [ChatError("x"), asyncio.CancelledError()], ids=["error", "cancelled"])
def test_an_error_passes_through(error: BaseException) -> None:
    passed = False
    try:
        with Held().reservation:
            raise error
    except (ChatError, asyncio.CancelledError):
        passed = True
    assert passed, f"`with` içindeki {type(error).__name__} dışarı çıkmadı"


@pytest.mark.task(
    "3.1",
    points=6,
    hint="Kovaya harcananın tamamını değil, farkı söyle: harcanan eksi ayrılan. 1000 ayrılıp 400 harcandıysa "
    "fark −600'dür ve kovaya geri döner. Listede fazladan bir sayı varsa settle'ı `__exit__` de çağırıyor.",
    more="bucket.settle(fark): artıysa kovadan biraz daha alır, eksiyse geri koyar.",
)
@pytest.mark.parametrize(("used", "difference"), [(400, -600), (2500, 1500), (0, -1000)])
def test_the_difference_to_what_was_used_is_settled(used: int, difference: int) -> None:
    held = Held()
    with held.reservation as reservation:
        reservation.settle(used)
    assert held.settled == [difference], f"settle({used}) → kovaya {held.settled}; beklenen: [{difference}]"


@pytest.mark.task(
    "3.1",
    points=6,
    hint="İkinci settle, birincinin bıraktığı yerden başlar: self.tokens'ı da harcanan sayıya eşitlemeli. "
    "Yoksa aynı fark iki kez alınır.",
    more="Önce fark self.tokens'tan hesaplanır ve kovaya verilir, ardından self.tokens değişir.",
)
def test_it_is_settled_again_from_there() -> None:
    held = Held()
    with held.reservation as reservation:
        reservation.settle(3000)
        assert reservation.tokens == 3000, f"tokens → {reservation.tokens}; beklenen: 3000"
        reservation.settle(1500)
    assert held.settled == [2000, -1500], f"settle(3000), settle(1500) → kovaya {held.settled}"


@pytest.mark.task(
    "3.1",
    points=6,
    hint="settle çağrılmadıysa token'lar ayrılmış kalır: istek gitti, ücreti hesabına işlenmiş olabilir. "
    "`__exit__` kovaya dokunmaz.",
    more="`__exit__` ne settle'ı çağırır ne self._bucket'ı. Hesabı kapatmak, çağıranın işidir.",
)
@pytest.mark.parametrize("error", [None, KeyError("x")], ids=["answer", "error"])
def test_tokens_that_were_not_settled_stay_taken(error: Exception | None) -> None:
    held = Held()
    try:
        with held.reservation:
            if error is not None:
                raise error
    except KeyError:
        pass
    assert not held.settled, f"kovaya söylenen: {held.settled}; beklenen: hiçbir şey"


@pytest.mark.task(
    "3.1",
    points=6,
    hint="bucket None olabilir: token sınırı bilinmiyorsa geri verilecek kova yoktur. O zaman da tokens "
    "harcanan sayı olsun.",
    more="Kovaya söylemeden önce `self._bucket is not None` diye sor; tokens'ı bu koşulun dışında değiştir.",
)
def test_without_a_bucket_only_the_count_changes() -> None:
    reservation = Held(with_bucket=False).reservation
    with reservation:
        reservation.settle(5)
    assert reservation.tokens == 5, f"tokens → {reservation.tokens}; beklenen: 5"


@pytest.mark.task(
    "3.1",
    points=6,
    hint="Pencereden iki kez çıkılıyor: stream'de land, blok bitmeden çağrılmış olabilir. `__exit__` "
    "pencereyi kendisi bırakmasın, self.land() desin; land bunu yalnızca ilk çağrıda yapar.",
    more="`__exit__` içinde self._window yazmana gerek yok, self.land() yeter.",
)
def test_one_that_has_landed_leaves_the_window_once_and_keeps_its_slot() -> None:
    held = Held()
    with held.reservation as reservation:
        assert reservation.landed is False
        reservation.land()
        reservation.land()
        assert held.left == [reservation], f"window.leave çağrıları: {len(held.left)}; beklenen: 1"
        assert reservation.landed is True, "land'den sonra landed doğru (True) olmalı"
        assert held.released == 0, "land yeri de geri verdi; yer blok bitene kadar çağrının"
    assert held.left == [reservation], f"window.leave çağrıları: {len(held.left)}; beklenen: 1"
    assert held.released == 1, f"geri verilen yer: {held.released}; beklenen: 1"


# 3.2 limits.layer.Limited

ESTIMATE = 1000
REQUEST = ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="gpt-5-mini")
Handler = Callable[[ChatRequest], Coroutine[Any, Any, ChatReply]]


USED = Usage(300, 100, 400)


def reply(usage: Usage | None = USED, headers: Mapping[str, str] | None = None) -> ChatReply:
    return ChatReply("Selam!", "gpt-5-mini-2025-08-07", usage=usage, headers=headers or {})


class Reserved:
    """What the quota below gives: it notes what happens to it."""

    def __init__(self, tokens: float) -> None:
        self.tokens = tokens
        self.reserved = tokens
        self.landed = False
        self.slot = self
        self.is_held = False
        self.ends = self.lent = 0
        self.settled_in_time = True

    def __enter__(self) -> Reserved:
        self.is_held = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_held = False
        self.ends += 1

    def settle(self, used: float) -> None:
        self.settled_in_time = self.settled_in_time and not self.ends
        self.tokens = used

    async def lent_while(self, consumer: Awaitable[None]) -> None:
        self.lent += 1
        await consumer


class Quota:
    """The quota of every model, and the estimator: it gives reservations in its time, and notes all."""

    def __init__(self, *, waits: float = 0.0) -> None:
        self.waits = waits
        self.models: list[str] = []
        self.given: list[Reserved] = []
        self.answers: list[tuple[object, Mapping[str, str]]] = []
        self.refusals: list[tuple[object, ...]] = []
        self.learned: list[tuple[object, object]] = []

    def of(self, model: str) -> Quota:
        self.models.append(model)
        return self

    def estimate(self, request: ChatRequest) -> int:
        return ESTIMATE

    def learn(self, request: ChatRequest, reply: ChatReply) -> None:
        self.learned.append((request, reply))

    async def reserve(self, request: ChatRequest, tokens: int, began: float) -> Reserved:
        await asyncio.sleep(self.waits)
        self.given.append(Reserved(tokens))
        return self.given[-1]

    def answered(self, call: Reserved, headers: Mapping[str, str]) -> None:
        self.answers.append((call, headers))

    def refused(self, request: ChatRequest, call: Reserved, error: ChatError) -> None:
        self.refusals.append((request, call, error))

    @property
    def only(self) -> Reserved:
        """The one reservation that was asked for."""
        assert len(self.given) == 1, f"{len(self.given)} rezervasyon yapıldı; beklenen: 1"
        return self.given[0]


def limited(handler: Handler, quota: Quota) -> Handler:
    from safechat.limits.layer import Limited

    doubles: Any = (quota, quota)
    return Limited(handler, *doubles)


async def answers(request: ChatRequest) -> ChatReply:
    return reply()


def raises(error: BaseException) -> Handler:
    async def handler(request: ChatRequest) -> ChatReply:
        raise error

    return handler


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return virtual_time.run(main)


async def ended(call: Awaitable[object]) -> object:
    """What the call returns, or the error that it raises."""
    try:
        return await call
    except (Exception, asyncio.CancelledError) as error:
        pass_on_crash(error)
        return error


def after(error: BaseException) -> Quota:
    """The quota after a call that ended by this error, which has passed through."""
    quota = Quota()
    outcome = run(ended(limited(raises(error), quota)(REQUEST)))
    assert outcome is error, f"alttaki katmanın hatası: {error!r} → Limited'dan çıkan: {outcome!r}"
    return quota


@pytest.mark.task(
    "3.2",
    points=8,
    hint="Önce her şeyin yolunda gittiği hâl: sıran gelince isteği self._next'e ver ve onun cevabını "
    "döndür. Stream olmayan istek olduğu gibi gider.",
    more="`reply = await self._next(…)` dersin, işin bitince de `return reply`.",
)
def test_the_next_handlers_reply_comes_through() -> None:
    quota, sent = Quota(), []
    answer = reply()

    async def handler(request: ChatRequest) -> ChatReply:
        sent.append(request)
        return answer

    outcome = run(limited(handler, quota)(REQUEST))
    assert outcome is answer, f"Limited(…)(request) → {outcome!r}; beklenen: alttaki katmanın cevabı"
    assert sent == [REQUEST], f"alttaki katmana giden istek: {sent}"


@pytest.mark.task(
    "3.2",
    points=8,
    hint="Modelin kendi kotasından (self._quotas.of(request.model)) tahmin kadar token ayrılmalı: "
    "reserved(quota, request, tahmin). Tahmini self._estimator.estimate(request) verir.",
    more="Önce `quota = self._quotas.of(request.model)` de; reserved'a quota, request ve tahmini ver.",
)
def test_the_estimate_is_reserved_at_the_models_quota() -> None:
    quota = Quota()
    run(limited(answers, quota)(REQUEST))
    assert quota.models == ["gpt-5-mini"], f"kota istenen model: {quota.models}; beklenen: ['gpt-5-mini']"
    assert quota.only.reserved == ESTIMATE, f"ayrılan: {quota.only.reserved}; beklenen: {ESTIMATE}"


@pytest.mark.task(
    "3.2",
    points=8,
    hint="İstek, sırası gelmeden gitti. Önce `await reserved(…)`, sonra self._next: bu katmanın bütün işi "
    "beklemek.",
    more="`reserved(…)`'ın önüne await yazmazsan beklemez. Döndürdüğü rezervasyonla da `with` açacaksın.",
)
def test_nothing_is_sent_before_its_turn() -> None:
    sent: list[float] = []

    async def handler(request: ChatRequest) -> ChatReply:
        sent.append(virtual_time.now())
        return reply()

    async def main() -> float:
        started = virtual_time.now()
        await limited(handler, Quota(waits=30))(REQUEST)
        return sent[0] - started

    waited = run(main())
    assert waited == pytest.approx(30, abs=0.01), (
        f"sıra 30 saniye sonra geldi, istek {waited:.0f}. saniyede gitti"
    )


@pytest.mark.task(
    "3.2",
    points=8,
    hint="Rezervasyon, istek yoldayken tutulmalı ve cevap gelince geri verilmeli: self._next'i "
    "`with reservation:` bloğunun içinde çağır.",
    more="Cevabı hesaba işleyen satırlar da `with` bloğunun içinde kalsın.",
)
def test_the_reservation_is_held_while_the_request_is_under_way() -> None:
    quota, held = Quota(), []

    async def handler(request: ChatRequest) -> ChatReply:
        held.append(quota.only.is_held)
        return reply()

    run(limited(handler, quota)(REQUEST))
    assert held == [True], "istek yoldayken rezervasyon tutulmuyordu"
    assert quota.only.ends == 1, f"rezervasyon {quota.only.ends} kez geri verildi; beklenen: 1"


@pytest.mark.task(
    "3.2",
    points=8,
    hint="Hata ya da iptal de olsa rezervasyon geri verilmeli; yalnızca başarılı yolda verirsen her hata bir "
    "yeri sonsuza dek götürür. `with` bunu her durumda yapar; hata ise olduğu gibi dışarı çıkar. Yalnızca "
    "ChatError'ı yakala.",
    more="`except Exception` KeyError'ı da yakalar; onun hesabı kapatılmaz, token'ları ayrılmış kalır.",
)
@pytest.mark.parametrize(
    "error",
    [
        errors.ServerError("503", status=503),
        errors.RateLimited("429", status=429),
        KeyError("x"),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_is_given_back_however_the_call_ends(error: BaseException) -> None:
    reserved = after(error).only
    assert reserved.ends == 1, (
        f"{type(error).__name__}: rezervasyon {reserved.ends} kez geri verildi; beklenen: 1"
    )


@pytest.mark.task(
    "3.2",
    points=8,
    hint="Cevap gelince hesabı kapat: reservation.settle(spent(reply, reservation)). "
    "Ayrılan 1000, harcanan 400 ise 600 token geri döner. Bunu blok bitmeden yap.",
    more="reply.usage None olabilir; spent o zaman ayrılanı döndürür, ayrıca kontrol etmen gerekmez.",
)
@pytest.mark.parametrize(
    ("usage", "tokens"), [(Usage(300, 100, 400), 400), (None, ESTIMATE)], ids=["usage", "no usage"]
)
def test_an_answer_is_settled_by_its_usage(usage: Usage | None, tokens: int) -> None:
    quota = Quota()

    async def handler(request: ChatRequest) -> ChatReply:
        return reply(usage)

    run(limited(handler, quota)(REQUEST))
    assert quota.only.tokens == tokens, f"kovaya göre harcanan: {quota.only.tokens}; beklenen: {tokens}"
    assert quota.only.settled_in_time, "hesap, rezervasyon geri verildikten sonra kapatıldı"


@pytest.mark.task(
    "3.2",
    points=8,
    hint="Hatalı çağrının da hesabı kapatılır, kaça mal olmuş olabileceğine göre: spent(error, reservation). "
    "400 bedavadır, 503 belki değildir. 429 da ChatError'dır, onun da hesabı kapatılır.",
    more="429 için ayrı bir `except RateLimited` yazdıysan alttaki `except ChatError` onu görmez: hesabı "
    "orada da kapat ya da tek `except ChatError` yaz. Sonunda `raise` tek başına dursun.",
)
@pytest.mark.parametrize(
    ("error", "tokens"),
    [
        (errors.RequestRejected("400", status=400), 0),
        (errors.ServerError("503", status=503), ESTIMATE),
        (errors.ConnectionFailed("refused", sent=False), 0),
        (errors.EmptyReply("empty", status=200, usage=Usage(300, 200, 500)), 500),
        (errors.RateLimited("429", status=429), 0),
    ],
    ids=["400", "503", "not sent", "empty", "429"],
)
def test_an_error_is_settled_by_what_it_may_have_cost(error: ChatError, tokens: int) -> None:
    reserved = after(error).only
    assert reserved.tokens == tokens, (
        f"{error!r}: kovaya göre harcanan: {reserved.tokens}; beklenen: {tokens}"
    )
    assert reserved.settled_in_time, "hesap, rezervasyon geri verildikten sonra kapatıldı"


@pytest.mark.task(
    "3.2",
    points=8,
    hint="429'u kotaya bildir: quota.refused(request, reservation, error). Yoksa yalnızca 429'u alan çağrı "
    "durur, öbürleri API'ye yüklenmeyi sürdürür. Başka hatalarda çağırma. `except ChatError`'ın altındaki "
    "`except RateLimited` hiç çalışmaz, çünkü üstteki onu da yakalar.",
    more="`except ChatError` içinde `isinstance(error, RateLimited)` diye sorabilirsin.",
)
def test_a_429_and_nothing_else_is_made_known_to_the_quota() -> None:
    error = errors.RateLimited("429", status=429, retry_after=1.0)
    quota = after(error)
    assert quota.refusals == [(REQUEST, quota.only, error)], f"quota.refused çağrıları: {quota.refusals}"
    others = after(errors.ServerError("503", status=503)).refusals
    assert others == [], f"503'te quota.refused çağrıldı: {others}"


@pytest.mark.task(
    "3.2",
    points=8,
    hint="Her cevaptan sonra iki şey daha var: self._estimator.learn(request, reply) tahmini iyileştirir, "
    "quota.answered(reservation, reply.headers) başlıkları izler. Hatalı çağrıda ikisi de olmaz.",
    more="İkisi de try'ın dışında, cevabın hesabı kapatıldıktan hemen sonra durabilir.",
)
def test_each_answer_and_no_error_is_learned_from() -> None:
    quota = Quota()
    answer = reply(headers={"x-ratelimit-limit-requests": "500"})

    async def handler(request: ChatRequest) -> ChatReply:
        return answer

    run(limited(handler, quota)(REQUEST))
    assert quota.learned == [(REQUEST, answer)], f"estimator.learn çağrıları: {quota.learned}"
    assert quota.answers == [(quota.only, answer.headers)], f"quota.answered çağrıları: {quota.answers}"
    failed = after(errors.ServerError("503", status=503))
    assert (failed.learned, failed.answers) == ([], []), "503'ten sonra cevap gelmiş gibi davranıldı"


@pytest.mark.task(
    "3.2",
    points=8,
    hint="Stream izlenmiyor: alttaki katmana isteğin kendisi yerine watched(request, quota, reservation) "
    "gitmeli.",
    more="Her istekte watched(…) diyebilirsin: stream olmayan isteği olduğu gibi geri verir.",
)
def test_a_stream_is_watched() -> None:
    quota, pieces, started = Quota(), [], []

    async def take(piece: str) -> None:
        pieces.append(piece)

    async def handler(request: ChatRequest) -> ChatReply:
        assert request.on_start is not None, "isteğin on_start'ı yok"
        assert request.on_piece is not None, "isteğin on_piece'i yok"
        request.on_start({"x-ratelimit-limit-requests": "500"})
        started.extend(quota.answers)
        await request.on_piece("Se")
        return reply()

    run(limited(handler, quota)(ChatRequest(REQUEST.messages, REQUEST.model, on_piece=take)))
    assert pieces == ["Se"]
    assert len(started) == 1, "stream başlayınca kotanın haberi olmadı"
    assert quota.only.lent == 1, "tüketici parçayla uğraşırken yer ödünç verilmedi"


# 3.3 client.workers.BoundedQueue


class Item:
    """Items of a queue need no order of their own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


A, B, C, D = (Item(name) for name in "ABCD")


def queue_of(maxsize: int) -> Any:
    from safechat.client.workers import BoundedQueue

    return BoundedQueue(maxsize)


def took(queue: Any, *expected: Item | None) -> None:
    """Fails unless the queue gives these, in this order."""
    came = [queue.get() for _ in expected]
    assert came == list(expected), f"get() sırası → {came}; beklenen: {list(expected)}"


@pytest.mark.task(
    "3.3",
    points=8,
    hint="Bekleyen yoksa get None döndürür; hata fırlatmaz, beklemez. Konan öğe de bir kez alınır.",
    more="self.pop() zaten öğeyi ya da None'ı verir: onu bir değişkende tut, sonunda döndür.",
)
def test_what_was_put_is_got_once() -> None:
    async def main() -> None:
        queue = queue_of(3)
        took(queue, None)
        await queue.put(A)
        took(queue, A, None)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="En küçük öncelik numarası önce çıkar; numaralar eşitse önce gelen. Sırayı self.add kurar: ona "
    "put'a gelen priority'yi ver.",
    more="Sırayı kendin kurma: put self.add(item, priority) der, get self.pop().",
)
def test_the_lowest_number_is_next_and_within_one_the_first_come() -> None:
    async def main() -> None:
        queue = queue_of(9)
        await queue.put(D, 5)
        await queue.put(B)
        await queue.put(A, -1)
        await queue.put(C, 0)
        took(queue, A, B, C, D, None)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="Her get bir yer açmalı: alınan öğenin yeri self._room.release() ile geri verilir. Yoksa kuyruk bir "
    "süre sonra boşken dolu görünür.",
    more="self.pop() yer açmaz; ondan sonra gelen self.remove(item) da açmaz, çünkü öğe artık beklemiyor.",
)
def test_each_item_that_is_taken_makes_room() -> None:
    async def main() -> None:
        queue = queue_of(1)
        for item in (A, B, C):
            putting = asyncio.create_task(queue.put(item))
            await asyncio.sleep(1)
            assert putting.done(), f"kuyruk boş, ama put({item}) hâlâ yer bekliyor"
            putting.result()
            took(queue, item)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="Kuyruk doluyken put beklemeli (backpressure): önce yer al (await self._room.acquire()), sonra koy. "
    "maxsize kadar öğe beklerken bir tane daha kuyruğa girmemeli.",
    more="`await self._room.acquire()` yer yoksa bekler; self.add ondan sonra gelir. `async with` olmaz: "
    "blok bitince yeri geri verir, oysa öğe hâlâ kuyrukta.",
)
def test_put_waits_while_the_queue_is_full() -> None:
    async def main() -> None:
        queue = queue_of(2)
        await queue.put(A)
        await queue.put(B)
        waiting = asyncio.create_task(queue.put(C))
        await asyncio.sleep(1)
        assert not waiting.done(), "2 yerlik kuyruğa beklemeden üçüncü öğe girdi"
        assert len(queue) == 2, f"len(queue) → {len(queue)}; beklenen: 2"
        took(queue, A)
        await asyncio.wait_for(waiting, 1)
        took(queue, B, C, None)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="wait=False, bekleme demek: yer yoksa (self._room.locked()) QueueFull fırlat, kuyruğa da koyma; yer "
    "varsa her zamanki gibi koy.",
    more="put'un ilk satırı `if not wait and self._room.locked():` olabilir; QueueFull'a bir cümle ver.",
)
def test_without_waiting_a_full_queue_is_an_error() -> None:
    async def main() -> None:
        queue = queue_of(1)
        await queue.put(A, wait=False)
        with pytest.raises(errors.QueueFull):
            await asyncio.wait_for(queue.put(B, wait=False), 1)
        took(queue, A, None)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="Kuyruk sınırını aşıyor: bir öğenin yeri yalnızca bir kez açılır, boş kuyrukta get ise hiç yer "
    "açmaz.",
    more="self.pop() None verdiyse alınan öğe yoktur, açılacak yer de.",
)
def test_an_item_that_is_taken_makes_room_for_one_only() -> None:
    async def main() -> None:
        queue = queue_of(1)
        await queue.put(A)
        took(queue, A, None)
        await queue.put(B, wait=False)
        with pytest.raises(errors.QueueFull):
            await queue.put(C, wait=False)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="Yer beklerken iptal edilen put, arkasında öğe bırakmamalı: öğeyi yer geldikten SONRA kuyruğa koy; "
    "yer için dönüp dönüp bakma (while + sleep), Semaphore bekletir.",
    more="Sıra şöyle: önce await self._room.acquire(), sonra self.add. İptal ilk satırda gelir.",
)
def test_a_put_that_is_cancelled_leaves_nothing() -> None:
    async def main() -> None:
        queue = queue_of(1)
        await queue.put(A)
        waiting = asyncio.create_task(queue.put(B))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled(), "put iptali yuttu"
        took(queue, A, None)
        await queue.put(C, wait=False)
        took(queue, C, None)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="Yer beklerken iptal edilen put henüz yer almamıştır, geri verecek yeri de yoktur. Fazladan açılan "
    "yer, kuyruğun sınırını kaydırır.",
    more="İptali yakalamana gerek yok: `release` yalnızca `get`'in işi.",
)
def test_a_put_that_is_cancelled_makes_no_room() -> None:
    async def main() -> None:
        queue = queue_of(1)
        await queue.put(A)
        waiting = asyncio.create_task(queue.put(B))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        with pytest.raises(errors.QueueFull):
            await queue.put(C, wait=False)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="Yer, önce bekleyenindir: sonradan gelen put öne geçmemeli. Semaphore sırayı kendisi tutar; "
    "Semaphore'un sırasını atlayan bir kontrol yazma.",
    more="len(self)'e bakıp yer var sanma: açılan yer, sırada bekleyene ayrılmış olabilir.",
)
def test_room_goes_to_the_one_that_waited_first() -> None:
    async def main() -> None:
        queue = queue_of(1)
        await queue.put(A)
        waiting = [asyncio.create_task(queue.put(item)) for item in (B, C)]
        await asyncio.sleep(1)
        assert not any(task.done() for task in waiting), "dolu kuyruğa beklemeden öğe girdi"
        took(queue, A)
        late = asyncio.create_task(queue.put(D))
        for item in (B, C, D):
            await asyncio.sleep(1)
            took(queue, item)
        await asyncio.gather(*waiting, late)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="Kuyrukta az öğe olması yer olduğunu göstermez: açılan yer, sırada bekleyen bir put'a ayrılmış "
    "olabilir. wait=False iken len'e değil, Semaphore'a sor.",
    more="self._room.locked(), yer bir bekleyene ayrıldıysa da True'dur.",
)
def test_room_that_is_another_puts_already_is_no_room_without_waiting() -> None:
    async def main() -> None:
        queue = queue_of(1)
        await queue.put(A)
        waiting = asyncio.create_task(queue.put(B))
        await asyncio.sleep(0)
        took(queue, A)  # its room is B's, which has not run since

        async def unwaited() -> None:
            async with asyncio.timeout(1):
                await queue.put(C, wait=False)

        outcome = await ended(unwaited())
        assert isinstance(outcome, errors.QueueFull), (
            f"yer B'ye ayrılmışken put(C, wait=False) → {outcome!r}; beklenen: QueueFull"
        )
        await asyncio.wait_for(waiting, 1)
        took(queue, B, None)

    run(main())


@pytest.mark.task(
    "3.3",
    points=8,
    hint="Öğe 0 ya da boş bir metin de olabilir; `if item:` onları yok sanır ve yerlerini açmaz. Bir şey "
    "gelip gelmediğine `is not None` ile bak.",
    more="self.pop()'un verdiğini bir değişkende tut ve onun None olup olmadığını sor.",
)
def test_an_item_that_counts_as_false_makes_room_too() -> None:
    async def main() -> None:
        queue = queue_of(1)
        await queue.put(0)
        got = queue.get()
        assert got == 0, f"put(0), get() → {got!r}; beklenen: 0"
        try:
            await queue.put(A, wait=False)
        except errors.QueueFull:
            pytest.fail("0 alındı, ama yeri açılmadı: kuyruk hâlâ dolu")

    run(main())
