"""Lesson 08 is graded by these: the order of the layers, `generate` and `generate_async`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from pydantic import BaseModel

from expect import expect
from safechat.errors import ChatError, ServerError
from safechat.layers import ClientLayers, Layer, SharedLayers
from safechat.messages import ChatReply, ChatRequest, Handler

# 8.1 layers.in_order

QUESTION = ChatRequest(({"role": "user", "content": "Merhaba"},), "gpt-5-mini")
SICK = ServerError("503")


class Recorder:
    """Layers that do nothing but write down that a call came through them, and in which order."""

    def __init__(self) -> None:
        self.passed: list[str] = []

    def client(self, *outcomes: str | ChatError, mark: str = "") -> ClientLayers:
        """A client that answers so, one outcome after another. `mark` stands behind its layers' names."""
        left = list(outcomes)

        async def call(request: ChatRequest) -> ChatReply:
            self.passed.append(f"call{mark}")
            outcome = left.pop(0)
            if isinstance(outcome, ChatError):
                raise outcome
            return ChatReply(outcome, request.model)

        return ClientLayers(
            call, self.layer(f"key{mark}"), self.layer(f"limit{mark}"), self.layer(f"retry{mark}", attempts=2)
        )

    @property
    def shared(self) -> SharedLayers:
        return SharedLayers(self.fallback, self.layer("deadline"), self.layer("log"))

    def layer(self, name: str, attempts: int = 1) -> Layer:
        def around(next: Handler) -> Handler:
            async def handler(request: ChatRequest) -> ChatReply:
                self.passed.append(name)
                for _ in range(attempts - 1):
                    try:
                        return await next(request)
                    except ChatError:
                        pass
                return await next(request)

            return handler

        return around

    def fallback(self, handlers: Sequence[Handler]) -> Handler:
        given = type(handlers)
        assert issubclass(given, list | tuple), (
            f"shared.fallback(…) → {given.__name__} aldı; beklenen: bir liste"
        )

        async def handler(request: ChatRequest) -> ChatReply:
            self.passed.append("fallback")
            for next in handlers[:-1]:
                try:
                    return await next(request)
                except ChatError:
                    pass
            return await handlers[-1](request)

        return handler

    def asks(self, *clients: ClientLayers) -> str:
        """The answer of these clients, in the order of `in_order`."""
        from safechat.layers import in_order

        handler: Any = in_order(clients, self.shared)
        assert callable(handler), f"in_order(…) → {handler!r}; beklenen: bir handler"
        reply: ChatReply = asyncio.run(handler(QUESTION))
        return reply.text


def passes(recorder: Recorder, *clients: ClientLayers, outside: str, inside: str) -> None:
    """Fails unless the call comes through `outside` before it comes through `inside`."""
    recorder.asks(*clients)
    way = " → ".join(recorder.passed)
    right = recorder.passed.index(outside) < recorder.passed.index(inside)
    assert right, f"çağrının yolu {way}; beklenen: önce {outside}, sonra {inside}"


@pytest.mark.task(
    "8.1",
    points=8,
    hint="Altı katmanın hepsi yolun üzerinde ve birer kez olmalı, en içte de client.call. shared.fallback "
    "ötekilerden farklı: bir handler listesi alır. in_order cevabı beklemez, en dıştaki handler'ı döndürür.",
    more="Bir katman, içindekini alan bir fonksiyondur: client.keyed(client.call) bir handler verir, onu da "
    "sıradaki katmana ver. fallback'in listesi ne tek bir handler ne bir generator'dır.",
)
def test_a_call_passes_every_layer_once() -> None:
    recorder = Recorder()
    expect("cevap", recorder.asks(recorder.client("Selam")), "Selam")
    passed = ["call", "deadline", "fallback", "key", "limit", "log", "retry"]
    expect("geçilen katmanlar (alfabetik)", sorted(recorder.passed), passed)


@pytest.mark.task(
    "8.1",
    points=8,
    hint="Yedek katmanı bütün istemcileri, geldikleri sırayla ister; birincisi sarmalayıcının kendi "
    "istemcisidir.",
    more="shared.fallback([…]) tek bir liste alır: clients'taki her client için bir handler.",
)
def test_all_clients_are_reached_in_their_order() -> None:
    recorder = Recorder()
    sick = [recorder.client(SICK, SICK, mark=f" {number}") for number in (1, 2)]
    answer = ""
    with suppress(ServerError):  # the answer of the last client that was asked
        answer = recorder.asks(*sick, recorder.client("Selam", mark=" 3"))
    called = list(dict.fromkeys(name for name in recorder.passed if name.startswith("call")))
    assert "call 2" in called, "üç istemci var, ilki 503 verdi; ikinci istemciye hiç gidilmedi"
    expect("sorulan istemciler", called, ["call 1", "call 2", "call 3"])
    expect("üç istemciden cevap", answer, "Selam")


@pytest.mark.task(
    "8.1",
    points=8,
    hint="Log en dışta durur: süresi dolan çağrı da bir kayıt bırakmalı. Deadline'ın içindeki log, kesilen "
    "çağrının adını öğrenemez.",
    more="Dönen handler shared.logged'un verdiği olmalı; onun içinde shared.deadline var.",
)
def test_the_log_is_outside_the_deadline() -> None:
    recorder = Recorder()
    passes(recorder, recorder.client("Selam"), outside="log", inside="deadline")


@pytest.mark.task(
    "8.1",
    points=8,
    hint="Bir çağrıya bir kayıt: log, yeniden denemenin ve yedeğin dışında durmalı. İçlerinde durursa her "
    "deneme ayrı bir kayıt olur.",
    more="shared.logged yalnızca bir kez, en dışta kullanılır; istemcilerin listesinde yeri yok.",
)
def test_a_call_with_retries_is_one_record() -> None:
    recorder = Recorder()
    recorder.asks(recorder.client(SICK, SICK), recorder.client("Selam", mark=" 2"))
    expect("log'dan geçiş (iki istemci, üç deneme)", recorder.passed.count("log"), 1)


@pytest.mark.task(
    "8.1",
    points=8,
    hint="Deadline çağrının tamamına konan süredir: bir kez sayılır, yedeğin ve denemelerin dışında durur.",
    more="shared.deadline'ın içinde shared.fallback var; tersi olursa her model süreyi baştan alır.",
)
def test_one_deadline_is_for_all_models_and_attempts() -> None:
    recorder = Recorder()
    passes(recorder, recorder.client("Selam"), outside="deadline", inside="fallback")
    recorder = Recorder()
    recorder.asks(recorder.client(SICK, SICK), recorder.client("Selam", mark=" 2"))
    expect("deadline'dan geçiş (iki istemci, üç deneme)", recorder.passed.count("deadline"), 1)


@pytest.mark.task(
    "8.1",
    points=8,
    hint="Önce aynı model yeniden denenir, yedeğe ondan sonra geçilir: retried yedeğin (fallback) içinde "
    "durmalı. Dışında durursa tek bir aksaklık modeli değiştirir.",
    more="Yedeğe verdiğin listedeki her handler'ın en dışında o istemcinin retried'ı olmalı.",
)
def test_the_same_model_is_tried_again_before_another() -> None:
    recorder = Recorder()
    passes(recorder, recorder.client("Selam"), outside="fallback", inside="retry")
    recorder = Recorder()
    answer = recorder.asks(recorder.client(SICK, "birinci"), recorder.client("ikinci", mark=" 2"))
    expect("ilk denemesi 503 olan modelin ardından cevap veren", answer, "birinci")


@pytest.mark.task(
    "8.1",
    points=8,
    hint="API her denemeyi ayrı bir istek sayar, sen de say: limited, retried'ın içinde durmalı. Dışında "
    "durursa denemeler sırasız gider, bekleyen çağrı da yerini boşuna tutar.",
    more="retried, içine aldığı handler'ı her denemede baştan çağırır; limit de o handler'ın içinde olmalı.",
)
def test_every_attempt_waits_for_the_limit() -> None:
    recorder = Recorder()
    recorder.asks(recorder.client(SICK, "Selam"))
    tried = recorder.passed.count("call")
    expect(f"limit'ten geçiş ({tried} denemede)", recorder.passed.count("limit"), tried)


@pytest.mark.task(
    "8.1",
    points=8,
    hint="Anahtar, sıra beklendikten sonra okunur: keyed, limited'ın içinde durmalı. Önce okunursa bekleyen "
    "istek eskimiş bir anahtarla gider.",
    more="client.call'un hemen dışında hangisinin durduğuna bak; tablo dıştan içe sıralı.",
)
def test_the_key_is_read_after_the_wait() -> None:
    recorder = Recorder()
    passes(recorder, recorder.client("Selam"), outside="limit", inside="key")


@pytest.mark.task(
    "8.1",
    points=8,
    hint="Her istemcinin anahtarı, limiti ve denemeleri kendisinindir. Başka bir istemcinin katmanlarını "
    "kullanma.",
    more="clients'ın üzerinde bir döngü ya da liste kur; içinde yalnızca o client'ın alanlarını kullan.",
)
def test_each_client_has_its_own_layers() -> None:
    recorder = Recorder()
    recorder.asks(recorder.client(SICK, SICK), recorder.client("Selam", mark=" 2"))
    own = [name for name in recorder.passed if name.endswith(" 2")]
    expect("ikinci istemcinin yolu", own, ["retry 2", "limit 2", "key 2", "call 2"])


# 8.2 client.generation.Generation

REPLY = ChatReply("Selam", "gpt-5-mini")
MESSAGES = [{"role": "user", "content": "Merhaba"}]
NOTHING_GIVEN: dict[str, object] = {
    "model": None,
    "temperature": None,
    "timeout": None,
    "deadline": None,
    "allow_truncated": False,
    "parse": None,
    "params": {},
}
PARAMS = {"max_completion_tokens": 50, "seed": 7}


class Answer(BaseModel):
    text: str


OPTIONS = {"timeout": 2.0, "deadline": 0, "allow_truncated": True, "parse": Answer}


class FakeCall:
    """A checked call. Its answer needs the layers of the loop in which it runs."""

    def __init__(self, outcome: ChatReply | ChatError) -> None:
        self.outcome = outcome

    def answer(self, *layers: object) -> Awaitable[ChatReply]:
        assert layers, "call.answer() → sen çağırdın; onu run ya da run_async katmanlarla kendisi çağırır"
        return self._answer(*layers)

    async def _answer(self, layers: object, began: object = None) -> ChatReply:
        expect("call.answer'ın aldığı katmanlar", layers, "katmanlar")
        if isinstance(self.outcome, ChatError):
            raise self.outcome
        return self.outcome


class FakeDispatcher:
    """Writes down what it is asked for. `ways` are those in which the calls ran."""

    def __init__(self, outcome: ChatReply | ChatError = REPLY, blocks: bool = False) -> None:
        self.outcome = outcome
        self.blocks = blocks
        self.calls: list[dict[str, object]] = []
        self.ways: list[str] = []
        self.cancelled = False

    def call(self, messages: object, model: object = None, temperature: object = None, **more: Any) -> Any:
        if not isinstance(messages, str | list):
            raise TypeError("messages: bir str ya da bir liste")
        if "params" not in more:
            raise TypeError("Dispatcher.call() missing 1 required keyword-only argument: 'params'")
        given = {"messages": messages, "model": model, "temperature": temperature, **more}
        self.calls.append({**NOTHING_GIVEN, **given, "params": dict(more["params"])})
        return FakeCall(self.outcome)

    def run(self, function: Callable[[Any], Awaitable[ChatReply]]) -> ChatReply:
        self.ways.append("run")
        running: Any = function("katmanlar")
        try:
            running.send(None)
        except StopIteration as end:
            reply: ChatReply = end.value
            return reply
        finally:
            running.close()
        raise RuntimeError("the answer waits for something")

    async def run_async(self, function: Callable[[Any], Awaitable[ChatReply]]) -> ChatReply:
        self.ways.append("run_async")
        if self.blocks:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        return await function("katmanlar")


def generation(dispatcher: FakeDispatcher) -> Any:
    """A student's class over this dispatcher."""
    from safechat.client.generation import Generation

    made: Any = Generation()
    made.dispatcher = dispatcher
    return made


def async_generation(dispatcher: FakeDispatcher) -> Any:
    from safechat.client.generation import AsyncGeneration

    made: Any = AsyncGeneration()
    made.dispatcher = dispatcher
    return made


def asked(way: str, dispatcher: FakeDispatcher, *arguments: object, **named: object) -> object:
    """What `generate` returns, or `generate_async`."""
    if way == "generate":
        return generation(dispatcher).generate(*arguments, **named)

    async def main() -> object:
        running = async_generation(dispatcher).generate_async(*arguments, **named)
        assert hasattr(running, "__await__"), f"{way}(…) → {running!r}; beklenen: beklenebilir (async def)"
        return await running

    return asyncio.run(main())


def hands_on(way: str, *arguments: object, expected: dict[str, object], **named: object) -> None:
    """Fails unless exactly one call is made of these arguments; what is not in `expected` is not given."""
    dispatcher = FakeDispatcher()
    asked(way, dispatcher, *arguments, **named)
    words = ", ".join([*map(repr, arguments), *(f"{name}={value!r}" for name, value in named.items())])
    expect(f"{way}({words}) → dispatcher.call", dispatcher.calls, [{**NOTHING_GIVEN, **expected}])


def lets_out(way: str, error: ChatError) -> None:
    """Fails unless an error of the call is raised as it is."""
    try:
        came: object = asked(way, FakeDispatcher(error), "Merhaba")
    except ChatError as raised:
        came = raised
    assert came is error, f"{way}('Merhaba') → {came!r}; {error!r} fırlatılmalıydı"


@pytest.mark.task(
    "8.2",
    points=6,
    hint="İki adım: self.dispatcher.call(…) denetlenmiş çağrıyı verir, self.dispatcher.run onun answer'ını "
    "kendi döngüsünde çalıştırır. answer'ı sen çağırma, fonksiyonun kendisini ver; gelen cevabı da "
    "döndür.",
    more="Adının ardına parantez koyarsan fonksiyonu değil, sonucunu vermiş olursun. run onu katmanlarla "
    "kendisi çağırır, döndürdüğü de cevaptır.",
)
def test_generate_returns_the_reply() -> None:
    expect("generate('Merhaba')", asked("generate", FakeDispatcher(), "Merhaba"), REPLY)


@pytest.mark.task(
    "8.2",
    points=6,
    hint="generate sarmalayıcının kendi döngüsünde bekler: dispatcher.run. Kendi döngünü kurma "
    "(asyncio.run); notebook'ta zaten bir döngü çalışıyor.",
    more="generate'in içinde asyncio'ya hiç gerek yok.",
)
def test_generate_works_where_a_loop_runs_already() -> None:
    dispatcher = FakeDispatcher()

    async def notebook() -> object:
        return generation(dispatcher).generate("Merhaba")

    expect("çalışan bir döngünün içinde generate('Merhaba')", asyncio.run(notebook()), REPLY)
    expect("kullanılan yol", dispatcher.ways, ["run"])


@pytest.mark.task(
    "8.2",
    points=6,
    hint="Ödevin imzası generate(messages, model, temperature): üçünü de bu sırayla dispatcher.call'a ver.",
    more="messages, model ve temperature, dispatcher.call'ın ilk üç argümanı.",
)
def test_generate_takes_the_arguments_of_the_homework() -> None:
    expected = {"messages": MESSAGES, "model": "gpt-5-mini", "temperature": 0.7}
    hands_on("generate", MESSAGES, "gpt-5-mini", 0.7, expected=expected)


@pytest.mark.task(
    "8.2",
    points=6,
    hint="Verilmeyen bir ayara burada değer seçme, None olarak kalsın: sarmalayıcının kendi ayarı geçerli "
    "olsun. 0 ise bir değerdir, olduğu gibi gider.",
    more="model or 'gpt-5-mini' gibi bir satıra gerek yok; aldığını olduğu gibi ver.",
)
def test_generate_decides_nothing_that_is_not_given() -> None:
    hands_on("generate", "Merhaba", expected={"messages": "Merhaba"})
    hands_on("generate", "Merhaba", temperature=0, expected={"messages": "Merhaba", "temperature": 0})


@pytest.mark.task(
    "8.2",
    points=6,
    hint="timeout, deadline, allow_truncated ve parse da dispatcher.call'a gitmeli, her biri kendi adıyla. "
    "Değerlerini burada denetleme.",
    more="timeout=timeout, deadline=deadline ve öteki ikisi de aynı biçimde.",
)
def test_generate_hands_on_the_options_of_a_call() -> None:
    hands_on("generate", "Merhaba", **OPTIONS, expected={"messages": "Merhaba", **OPTIONS})


@pytest.mark.task(
    "8.2",
    points=6,
    hint="API'nin öteki parametreleri (**params) tek bir sözlük olarak gider: params=params.",
    more="Yıldızla açma; dispatcher.call bir `params` sözlüğü bekliyor.",
)
def test_generate_hands_on_parameters_of_the_api() -> None:
    hands_on("generate", "Merhaba", **PARAMS, expected={"messages": "Merhaba", "params": PARAMS})


@pytest.mark.task(
    "8.2",
    points=6,
    hint="Hatayı yutma: adı konmuş hata (ChatError) çağırana kadar gitmeli. Adını katmanlar koydu, burada "
    "yapılacak bir şey yok.",
    more="try/except gerekmez.",
)
def test_generate_lets_errors_out() -> None:
    lets_out("generate", ServerError("503"))


@pytest.mark.task(
    "8.2",
    points=6,
    hint="Yanlış bir girdinin hatası (TypeError), hiçbir şey gönderilmeden çağırana gitmeli. Onu da "
    "yakalama.",
    more="dispatcher.call'ı bir try bloğuna koyma; girdi yanlışsa o fırlatır, run'a sıra gelmez.",
)
def test_generate_refuses_wrong_input_before_anything_is_sent() -> None:
    dispatcher = FakeDispatcher()
    with pytest.raises(TypeError):
        generation(dispatcher).generate(42)
    expect("gönderilen çağrılar", dispatcher.ways, [])


# 8.3 client.generation.AsyncGeneration


@pytest.mark.task(
    "8.3",
    points=6,
    hint="generate ile aynı iki adım, ama beklenerek: run_async'e call.answer'ın kendisini ver, önüne await "
    "koy ve gelen cevabı döndür.",
    more="answer'ın ardına parantez koyma: run_async onu kendisi çağırır. Beklemezsen eline cevap değil, "
    "beklenecek bir şey geçer.",
)
def test_generate_async_returns_the_reply() -> None:
    expect("await generate_async('Merhaba')", asked("generate_async", FakeDispatcher(), "Merhaba"), REPLY)


@pytest.mark.task(
    "8.3",
    points=6,
    hint="generate_async çağıranın döngüsünü bekletmez: dispatcher.run değil, dispatcher.run_async. İş "
    "parçacığına (to_thread) da gerek yok.",
    more="run, çağıran iş parçacığını durdurur; döngü onunla birlikte durur.",
)
def test_generate_async_does_not_block_the_loop() -> None:
    dispatcher = FakeDispatcher()
    asked("generate_async", dispatcher, "Merhaba")
    expect("kullanılan yol", dispatcher.ways, ["run_async"])


@pytest.mark.task(
    "8.3",
    points=6,
    hint="Ödevin imzası generate_async(messages, model, temperature): üçünü de bu sırayla "
    "dispatcher.call'a ver.",
    more="messages, model ve temperature, dispatcher.call'ın ilk üç argümanı.",
)
def test_generate_async_takes_the_arguments_of_the_homework() -> None:
    expected = {"messages": MESSAGES, "model": "gpt-5-mini", "temperature": 0.7}
    hands_on("generate_async", MESSAGES, "gpt-5-mini", 0.7, expected=expected)


@pytest.mark.task(
    "8.3",
    points=6,
    hint="Verilmeyen bir ayara burada değer seçme, None olarak kalsın: sarmalayıcının kendi ayarı geçerli "
    "olsun. 0 ise bir değerdir, olduğu gibi gider.",
    more="model or 'gpt-5-mini' gibi bir satıra gerek yok; aldığını olduğu gibi ver.",
)
def test_generate_async_decides_nothing_that_is_not_given() -> None:
    hands_on("generate_async", "Merhaba", expected={"messages": "Merhaba"})
    hands_on("generate_async", "Merhaba", temperature=0, expected={"messages": "Merhaba", "temperature": 0})


@pytest.mark.task(
    "8.3",
    points=6,
    hint="timeout, deadline, allow_truncated ve parse da dispatcher.call'a gitmeli, her biri kendi adıyla. "
    "Değerlerini burada denetleme.",
    more="timeout=timeout, deadline=deadline ve öteki ikisi de aynı biçimde.",
)
def test_generate_async_hands_on_the_options_of_a_call() -> None:
    hands_on("generate_async", "Merhaba", **OPTIONS, expected={"messages": "Merhaba", **OPTIONS})


@pytest.mark.task(
    "8.3",
    points=6,
    hint="API'nin öteki parametreleri (**params) tek bir sözlük olarak gider: params=params.",
    more="Yıldızla açma; dispatcher.call bir `params` sözlüğü bekliyor.",
)
def test_generate_async_hands_on_parameters_of_the_api() -> None:
    hands_on("generate_async", "Merhaba", **PARAMS, expected={"messages": "Merhaba", "params": PARAMS})


@pytest.mark.task(
    "8.3",
    points=6,
    hint="Hatayı yutma: adı konmuş hata (ChatError) çağırana kadar gitmeli. Adını katmanlar koydu, burada "
    "yapılacak bir şey yok.",
    more="try/except gerekmez.",
)
def test_generate_async_lets_errors_out() -> None:
    lets_out("generate_async", ServerError("503"))


@pytest.mark.task(
    "8.3",
    points=6,
    hint="Vazgeçilen çağrı durmalı: run_async'i doğrudan bekle. shield ya da ayrı bir görev (create_task), "
    "iptali istekten saklar.",
    more="await ile dispatcher.run_async(…) arasına başka bir şey koyma.",
)
def test_cancelling_generate_async_cancels_the_call() -> None:
    dispatcher = FakeDispatcher(blocks=True)

    async def main() -> None:
        task = asyncio.ensure_future(async_generation(dispatcher).generate_async("Merhaba"))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        expect("iptal çağrıya ulaştı", dispatcher.cancelled, True)

    asyncio.run(main())
