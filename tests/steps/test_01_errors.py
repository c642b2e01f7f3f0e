"""Lesson 01 is graded by these: the class of an error, the reading of a reply, a call with its time limit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import httpx2
import openai
import pytest

import virtual_time
from expect import expect, is_exactly, pass_on_crash
from safechat import errors
from safechat.errors import ChatError, MalformedReply
from safechat.messages import ChatReply, ChatRequest
from safechat.usage import Usage

# 1.1 errors.classify


def classified(status: int, *, as_: type[ChatError], **words: Any) -> None:
    """Fails with the question and the answer, in words."""
    from safechat.errors import classify

    error = classify(status, **words)
    asked = ", ".join(
        [str(status), *(f"{name}={value!r}" for name, value in words.items() if value is not None)]
    )
    got = error.__name__ if isinstance(error, type) else repr(error)
    if isinstance(error, ChatError):
        got = f"bir {type(error).__name__} nesnesi (parantezsiz yaz)"
    assert error is as_, f"classify({asked}) → {got}; beklenen: {as_.__name__} sınıfı"


@pytest.mark.task(
    "1.1",
    points=6,
    hint="En kolay adım: durum kodunu BY_STATUS tablosunda ara ve bulduğunu döndür. İstenen, sınıfın "
    "kendisi (RateLimited); nesnesi (RateLimited()) değil.",
    more="BY_STATUS bir sözlük, değerleri de sınıf. Bulduğun değeri parantez açmadan döndür; parantez, "
    "sınıftan bir nesne yapar.",
)
@pytest.mark.parametrize(
    ("status", "name"),
    [
        (429, "RateLimited"),
        (401, "AuthenticationFailed"),
        (402, "QuotaExhausted"),
        (403, "PermissionDenied"),
        (408, "ServerError"),
        (409, "ServerError"),
        (410, "ModelUnavailable"),
    ],
)
def test_a_status_has_its_class(status: int, name: str) -> None:
    classified(status, as_=getattr(errors, name))


@pytest.mark.task(
    "1.1",
    points=6,
    hint="500'ün kendisi de, 529 gibi tabloda olmayan bir kod da ServerError'dır. Bütün adımlar boşa çıkınca "
    "ne döndürüyorsun? Kusurun sunucuda olduğu durumlar hangi sayıdan başlar?",
    more="Kodları tek tek yazma: BY_STATUS'ta bulamadığın durumu son adımda bir sayıyla karşılaştır. "
    "500 de dâhil olsun (>=).",
)
@pytest.mark.parametrize("status", [500, 502, 503, 529, 599])
def test_every_5xx_is_a_server_error(status: int) -> None:
    classified(status, as_=errors.ServerError)


@pytest.mark.task(
    "1.1",
    points=6,
    hint="Tanımadığın bir 4xx, RequestRejected olmalı: istek yanlış, tekrar göndermek düzeltmez. "
    "ServerError dersen retry katmanı onu boşuna dener.",
    more="Bütün adımlar boşa çıktığında, yani fonksiyonun sonunda, 500'den küçük durumlar için döneceğin "
    "sınıf bu.",
)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_unknown_4xx_is_a_rejected_request(status: int) -> None:
    classified(status, as_=errors.RequestRejected)


@pytest.mark.task(
    "1.1",
    points=6,
    hint="BY_CODE'a kendin bakıyorsan bir ayrıntı kaçmış: kelimeyi class_by_code ile ara. Büyük harfi, "
    "tabloda olmayan kelimeyi, None'ı ve 5xx'i o bilir.",
    more="class_by_code(status, code) bir sınıf ya da None verir. None ise sıradaki adıma geç.",
)
@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        (404, "DeploymentNotFound", "ModelUnavailable"),
        (401, "invalid_api_key", "AuthenticationFailed"),
        (500, "insufficient_quota", "ServerError"),
        (400, "content_policy_violation", "ContentFiltered"),
    ],
)
def test_a_word_counts_as_class_by_code_says(status: int, code: str, name: str) -> None:
    classified(status, code=code, as_=getattr(errors, name))


@pytest.mark.task(
    "1.1",
    points=6,
    hint="insufficient_quota da 429 ile gelir ama beklemekle hesaba para gelmez. code, durum kodundan "
    "fazlasını söyler: önce class_by_code'a, sonra BY_STATUS'a bak.",
    more="Fonksiyonunda BY_STATUS'a bakan adım, class_by_code'dan önce duruyor olabilir. İlk bulunan "
    "sonuç kazanır, o yüzden sırayı değiştir.",
)
def test_a_code_says_more_than_a_status() -> None:
    classified(429, code="insufficient_quota", as_=errors.QuotaExhausted)


@pytest.mark.task(
    "1.1",
    points=6,
    hint="code boş ya da tabloda olmayabilir; o zaman type'a bak. Bazı sunucular aynı kelimeyi type alanına "
    "yazar: önce code, sonra type.",
    more="code dolu ama tabloda yok ('quota' gibi) olabilir; o zaman da type'a bakılmalı. `code or type` "
    "yalnızca code boşken type'a geçer. class_by_code'u iki kez çağır: biri code, biri type için.",
)
@pytest.mark.parametrize("code", [None, "quota"])
def test_the_type_is_looked_at_too(code: str | None) -> None:
    classified(429, code=code, type="insufficient_quota", as_=errors.QuotaExhausted)


@pytest.mark.task(
    "1.1",
    points=6,
    hint="code ve type ayrı ayrı tablodaysa code kazanır: önce code'a bak, orada bulamazsan type'a.",
    more="Örnekte ikisi de tabloda: code'un sınıfı ModelUnavailable, type'ınki QuotaExhausted. Sende "
    "hangisine önce bakılıyor?",
)
def test_the_code_counts_before_the_type() -> None:
    words = {"code": "model_not_found", "type": "insufficient_quota"}
    classified(404, **words, as_=errors.ModelUnavailable)


@pytest.mark.task(
    "1.1",
    points=6,
    hint="Her sunucu code vermez; bazısı yalnızca bir cümle yazar. O cümleyi class_by_text(status, message) "
    "tanır: code ve type bir şey söylemediyse ona sor.",
    more="class_by_text bir sınıf ya da None verir. None değilse onu döndür, None ise sıradaki adıma geç.",
)
@pytest.mark.parametrize(
    ("status", "message", "name"),
    [
        (400, "This model's maximum context length is 8192 tokens.", "ContextTooLong"),
        (404, "The model `gpt-9` does not exist.", "ModelUnavailable"),
        (400, "API key not valid. Please pass a valid API key.", "AuthenticationFailed"),
    ],
)
def test_a_server_without_codes_is_known_by_what_it_writes(status: int, message: str, name: str) -> None:
    classified(status, message=message, as_=getattr(errors, name))


@pytest.mark.task(
    "1.1",
    points=6,
    hint="code, mesajdan da fazlasını söyler: mesaj bir cümledir, code ise sunucunun kendi kararı. Önce "
    "class_by_code'a, sonra class_by_text'e bak.",
    more="class_by_text çağrın class_by_code'dan önce duruyor olabilir. code tabloda varsa mesaja hiç "
    "bakılmamalı.",
)
def test_a_code_says_more_than_a_message() -> None:
    message = "Blocked by the content policy; the context window is 8192 tokens."
    classified(400, code="content_filter", message=message, as_=errors.ContentFiltered)


@pytest.mark.task(
    "1.1",
    points=6,
    hint="Her 404 model yok demek değil: adres yanlışsa da 404 gelir. Mesajı kendin arama, class_by_text'e "
    "sor; o bir şey bulamıyorsa sonuç RequestRejected.",
    more="Kodunda 404'e ya da mesajdaki bir kelimeye özel bir koşul kalmış olabilir. Onu sil.",
)
@pytest.mark.parametrize(("status", "message"), [(404, "Not Found"), (400, "The model is a required field.")])
def test_a_text_counts_only_with_its_status(status: int, message: str) -> None:
    classified(status, message=message, as_=errors.RequestRejected)


@pytest.mark.task(
    "1.1",
    points=6,
    hint="Mesaj, durum kodundan fazlasını söyler: 429 çoğu zaman RateLimited ama isteğin kendisi "
    "sınırdan büyükse beklemek işe yaramaz. Önce class_by_text'e, sonra BY_STATUS'a bak.",
    more="429 BY_STATUS'ta da var; ona önce bakarsan mesaja sıra gelmez. Buradaki 'rate_limit_exceeded' "
    "ve 'tokens' kelimeleri ise BY_CODE'da yok.",
)
def test_a_message_says_more_than_a_status() -> None:
    message = "Request too large for gpt-5-mini on tokens per min (TPM): Limit 30000, Requested 61234."
    words = {"code": "rate_limit_exceeded", "type": "tokens"}
    classified(429, **words, message=message, as_=errors.RequestTooLarge)
    message = "Rate limit reached on tokens per min (TPM): Limit 250000, Used 249800, Requested 546."
    classified(429, **words, message=message, as_=errors.RateLimited)


# 1.2 call.reply.checked_reply

REQUEST = ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="gpt-5-mini")
TAKES_A_CUT_ONE = ChatRequest(messages=REQUEST.messages, model=REQUEST.model, allow_truncated=True)


def reply(text: str = "Selam!", finish_reason: str = "stop", **fields: Any) -> ChatReply:
    usage = Usage(prompt_tokens=9, completion_tokens=5, total_tokens=14)
    return ChatReply(
        text=text,
        model="gpt-5-mini-2025-08-07",
        finish_reason=finish_reason,
        usage=usage,
        request_id="req_7",
        **fields,
    )


def checked_reply(came: ChatReply, request: ChatRequest = REQUEST, refusal: str | None = None) -> ChatReply:
    from safechat.call import reply as module

    return module.checked_reply(came, request, refusal)


def is_the_answer(came: ChatReply, request: ChatRequest = REQUEST, refusal: str | None = None) -> None:
    """Fails with the reply and what came of it, in words."""
    got: object
    try:
        got = checked_reply(came, request, refusal)
    except ChatError as error:
        got = f"{type(error).__name__} fırlatıldı"
    fields = f"text={came.text!r}, finish_reason={came.finish_reason!r}"
    fields += ", tool_calls=(…)" if came.tool_calls else ""
    named = "".join(f", {name}" for name in ("allow_truncated",) if request.allow_truncated)
    named += f", refusal={refusal!r}" if refusal else ""
    assert got is came, f"checked_reply({fields}{named}) → {got}; beklenen: reply'ın kendisi"


@pytest.mark.task(
    "1.2",
    points=8,
    hint="Önce her şeyin yolunda gittiği hâl: metni olan ve yarıda kalmamış bir cevap, cevaptır. Sonuç, "
    "reply'ın kendisidir; metni ya da bir kopyası değil.",
    more="Son satır, elindeki reply'ı olduğu gibi döndürmeli. ChatReply'ı yeniden kurma, metnini de kırpma.",
)
def test_an_answer_is_itself() -> None:
    came = reply("  Selam!\n")
    is_the_answer(came)


@pytest.mark.task(
    "1.2",
    points=8,
    hint="Metni olmayan cevap, cevap değil: EmptyReply fırlat (raise), döndürme. Yalnızca boşluk ve satır "
    "sonundan oluşan metin de boştur (strip ile bak).",
    more="Son koşulun iki parçası var: metin boş ve araç çağrısı da yok. ' \\n' gibi bir metin doludur "
    "ama strip()'ten sonra boştur.",
)
@pytest.mark.parametrize("content", ["", " \n"], ids=["empty", "white space"])
def test_an_answer_without_text_is_empty(content: str) -> None:
    with pytest.raises(errors.EmptyReply):
        checked_reply(reply(content))


@pytest.mark.task(
    "1.2",
    points=8,
    hint="Metinsiz ama tool_calls içeren bir cevap boş değildir: model bir araç çağırmak istiyor. "
    "EmptyReply'dan önce reply.tool_calls'a da bak.",
    more="EmptyReply koşuluna reply.tool_calls'u da kat: boş olmayan bir demet, cevap var demektir. "
    "Metin ile araç çağrısının ikisi de yoksa cevap boştur.",
)
def test_a_tool_call_needs_no_text() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "ara", "arguments": "{}"}}
    came = reply("", "tool_calls", tool_calls=(call,))
    is_the_answer(came)


@pytest.mark.task(
    "1.2",
    points=8,
    hint="finish_reason 'length' ise cevap token sınırında kesilmiştir; kesik metni tam cevap gibi "
    "verme, TruncatedReply fırlat.",
    more="reply.finish_reason'ı 'length' ile karşılaştıran bir adım eksik ya da cevap ondan önce dönüyor.",
)
def test_an_answer_cut_at_the_limit_is_truncated() -> None:
    with pytest.raises(errors.TruncatedReply):
        checked_reply(reply("Sel", "length"))


@pytest.mark.task(
    "1.2",
    points=8,
    hint="Kesilen cevabın eldeki kısmı kayboldu: hatayı error_from ile kur ya da partial_text olarak "
    "metni de ver.",
    more="TruncatedReply('…') diye kendin kurarsan metin kaybolur. error_from'un ilk argümanı reply'dır "
    "ve metni oradan alır.",
)
def test_what_there_is_of_a_cut_answer_is_kept() -> None:
    with pytest.raises(errors.TruncatedReply) as caught:
        checked_reply(reply("Sel", "length"))
    expect("hata.partial_text", caught.value.partial_text, "Sel")


@pytest.mark.task(
    "1.2",
    points=8,
    hint="request.allow_truncated doğruysa çağıran kesik cevaba razıdır: hata fırlatma, metni normal "
    "cevap olarak döndür.",
    more="'length' adımının koşuluna ikinci bir parça ekle: request.allow_truncated doğruysa hata yok, "
    "akış devam eder.",
)
def test_a_cut_answer_may_be_asked_for() -> None:
    came = reply("Sel", "length")
    is_the_answer(came, TAKES_A_CUT_ONE)


@pytest.mark.task(
    "1.2",
    points=8,
    hint="Sıra önemli: 'length' kontrolü boş metin kontrolünden önce gelmeli. Akıl yürüten model bütün "
    "token'ı düşünmeye harcarsa metin boş kalır; çare beklemek değil, sınırı yükseltmektir.",
    more="Koşulları görevin tablosundaki sırayla alt alta yaz: boş metne en son bak. 'length' koşulunda ise "
    "metnin dolu olup olmadığını hiç sorma.",
)
def test_an_answer_cut_before_its_first_word_is_truncated_too() -> None:
    with pytest.raises(errors.TruncatedReply):
        checked_reply(reply("", "length"))


@pytest.mark.task(
    "1.2",
    points=8,
    hint="finish_reason 'content_filter' ise içerik filtresi cevabı durdurmuştur, metin yarım olsa da: "
    "ContentFiltered fırlat.",
    more="Bu koşul tablonun ilk satırı: metin olsa da olmasa da, her şeyden önce finish_reason'a bak.",
)
@pytest.mark.parametrize("content", ["Sel", ""])
def test_a_filtered_answer_is_none(content: str) -> None:
    with pytest.raises(errors.ContentFiltered):
        checked_reply(reply(content, "content_filter"))


@pytest.mark.task(
    "1.2",
    points=8,
    hint="Metin yok ama refusal doluysa model cevap vermeyi reddetmiştir: EmptyReply değil "
    "RefusedReply. Modelin gerekçesini hatanın mesajına koy.",
    more="refusal bir metin ya da None'dır. EmptyReply'dan hemen önce ona bak; "
    "error_from'un üçüncü argümanı hatanın mesajıdır, gerekçe onun içinde geçsin.",
)
def test_a_refusal_is_no_empty_answer() -> None:
    with pytest.raises(errors.RefusedReply) as caught:
        checked_reply(reply(""), refusal="Buna yardım edemem.")
    assert "yardım edemem" in str(caught.value)


@pytest.mark.task(
    "1.2",
    points=8,
    hint="refusal ancak ne metin ne de araç çağrısı varsa RefusedReply demektir. Metin varsa o bir "
    "cevaptır: önce metne ve araç çağrısına bak, refusal'a ondan sonra.",
    more="refusal sorusunu, 'ne metin ne araç çağrısı var' koşulunun içine al. Dışında kalırsa metinli "
    "cevapları da reddeder.",
)
def test_a_text_beside_a_refusal_is_an_answer() -> None:
    came = reply("Selam!")
    refusal = "Devamına yardım edemem."
    is_the_answer(came, refusal=refusal)


@pytest.mark.task(
    "1.2",
    points=8,
    hint="Hatanın bir alanı boş kaldı: request_id, cevabı veren model ve durum kodu (status: 200) her hatada "
    "olmalı. error_from(reply, …) hepsini taşır.",
    more="Hangi alanın boş kaldığı yukarıdaki satırda yazıyor. Hatayı kendin kurduysan error_from'a geç.",
)
@pytest.mark.parametrize(
    ("came", "refusal"),
    [
        (reply("", "content_filter"), None),
        (reply("Sel", "length"), None),
        (reply(""), "Buna yardım edemem."),
        (reply(""), None),
    ],
    ids=["filtered", "cut", "refused", "empty"],
)
def test_every_error_says_which_answer_it_was(came: ChatReply, refusal: str | None) -> None:
    with pytest.raises(ChatError) as caught:
        checked_reply(came, refusal=refusal)
    expect("hata.request_id", caught.value.request_id, "req_7")
    expect("hata.model", caught.value.model, "gpt-5-mini-2025-08-07")
    expect("hata.status", caught.value.status, 200)


@pytest.mark.task(
    "1.2",
    points=8,
    hint="Cevap sayılmayan cevabın da parası ödenir: token sayıları hatada kayboldu. Hatayı error_from "
    "ile kur ya da usage'ı kendin ver.",
    more="error_from token sayılarını reply'dan alır. Hatayı kendin kuruyorsan usage=reply.usage'ı da ver.",
)
@pytest.mark.parametrize(
    ("came", "refusal"),
    [
        (reply("", "content_filter"), None),
        (reply("Sel", "length"), None),
        (reply(""), "Buna yardım edemem."),
        (reply(""), None),
    ],
    ids=["filtered", "cut", "refused", "empty"],
)
def test_the_tokens_of_an_answer_that_is_none_are_counted_too(came: ChatReply, refusal: str | None) -> None:
    with pytest.raises(ChatError) as caught:
        checked_reply(came, refusal=refusal)
    usage = caught.value.usage
    expect("hata.usage.total_tokens", usage and usage.total_tokens, 14)


# 1.3 call.layer.attempt

Answer = tuple[object, Mapping[str, str]]
Send = Callable[[ChatRequest], Awaitable[Answer]]


class Unheard(Exception):
    """An error that nobody can have listed."""


class Translated(ChatError):
    """What `translate` makes of an exception; `of` is that exception's class."""

    of: type[Exception]


def translate(exception: Exception, request: ChatRequest) -> ChatError:
    error = Translated(f"{request.model}: {type(exception).__name__}: {exception}")
    error.of = type(exception)
    return error


def read(answer: object, request: ChatRequest, headers: Mapping[str, str]) -> ChatReply:
    return ChatReply(text=f"read: {answer}", model=request.model, headers=headers)


def answers(seconds: float) -> Send:
    """An API that answers after `seconds`, a piece every half second: no single wait is long."""

    async def send(request: ChatRequest) -> Answer:
        for _ in range(round(seconds * 2)):
            await asyncio.sleep(0.5)
        return "Selam!", {"x-request-id": "req_7"}

    return send


def fails(exception: Exception) -> Send:
    async def send(request: ChatRequest) -> Answer:
        raise exception

    return send


def sdk_error() -> openai.OpenAIError:
    """As the SDK raises it: its request carries the whole Authorization header."""
    headers = {"Authorization": "Bearer sk-steps-Zk3x9Q7mT1vB8nR5"}
    return openai.APIConnectionError(request=httpx2.Request("POST", "http://127.0.0.1/v1", headers=headers))


def asked(timeout: float) -> ChatRequest:
    return ChatRequest(messages=REQUEST.messages, model=REQUEST.model, timeout=timeout)


async def called(send: Send, timeout: float = 5.0, read: Callable[..., ChatReply] = read) -> object:
    from safechat.call.layer import attempt

    return await attempt(asked(timeout), send, read, translate)


def outcome(send: Send, timeout: float = 5.0, read: Callable[..., ChatReply] = read) -> tuple[object, float]:
    """The reply, or what is raised in its place, and the seconds it took, on a clock that jumps."""

    async def main() -> tuple[object, float]:
        started = virtual_time.now()
        result: object
        try:
            result = await called(send, timeout, read)
        except Exception as exception:
            pass_on_crash(exception)
            result = exception
        else:
            if not isinstance(result, ChatReply):
                result = f"raise edilmedi, döndürüldü: {result!r}"
        return result, virtual_time.now() - started

    return virtual_time.run(main())


@pytest.mark.task(
    "1.3",
    points=8,
    hint="Önce her şeyin yolunda gittiği hâl: answer, headers = await send(request), ardından "
    "read(answer, request, headers) ve onun verdiğini döndür. Argümanların sırasına dikkat. NameError "
    "görüyorsan o adı bu hücrede import et.",
    more="send bir `async def`, önüne await ister ve iki değer verir. read ise düz bir fonksiyon, await "
    "istemez.",
)
def test_an_answer_comes_through() -> None:
    reply, _ = outcome(answers(1))
    assert isinstance(reply, ChatReply), repr(reply)
    assert is_exactly((reply.text, reply.headers), ("read: Selam!", {"x-request-id": "req_7"})), repr(reply)


@pytest.mark.task(
    "1.3",
    points=8,
    hint="attempt tek bir denemedir: send bir kez çağrılır. Yeniden denemek ders 04'ün işi; burada "
    "denersen istek iki kez gider, süre de iki kez sayılır.",
    more="Hata yakaladığın yerde send'i yeniden çağırma, bir döngü de kurma. send'e verdiğin, sana gelen "
    "request'in kendisi olsun.",
)
def test_one_attempt_sends_once() -> None:
    calls: list[ChatRequest] = []

    async def send(request: ChatRequest) -> Answer:
        calls.append(request)
        raise sdk_error()

    async def main() -> None:
        with suppress(Exception):  # what is raised, the tests below look at
            await called(send)

    virtual_time.run(main())
    assert len(calls) == 1, f"send {len(calls)} kez çağrıldı"
    assert calls[0].timeout == 5.0, f"send'e başka bir istek gitti: {calls[0]!r}"


@pytest.mark.task(
    "1.3",
    points=8,
    hint="Damla damla gelen cevap süreyi aştı. Sınır, send'in tamamını saran gerçek bir üst sınır olmalı "
    "ve süre dolunca beklemeyi kesmeli. Cevap geldikten sonra saate bakmak için artık çok geç; SDK'nın "
    "timeout'u ise aşama başınadır. anyio.fail_after'a bak.",
    more="`with anyio.fail_after(…):` bloğunun içinde `await send(request)` olmalı. Blok, süre dolunca "
    "beklemeyi kendisi keser.",
)
def test_a_body_that_drips_is_not_waited_for() -> None:
    _, took = outcome(answers(60), timeout=5.0)
    assert took < 59, f"süre 5 saniyeydi, {took:.0f} saniye beklendi"


@pytest.mark.task(
    "1.3",
    points=8,
    hint="Süre sınırı sabit yazılmış gibi duruyor. Sınır her istekte request.timeout saniyedir: "
    "varsayılandan kısa da olabilir, uzun da.",
    more="fail_after'ın (ya da kullandığın sınırın) argümanında bir sayı mı yazıyor? İstek nesnesinde "
    "timeout adlı bir alan var.",
)
@pytest.mark.parametrize("timeout", [2.0, 40.0])
def test_the_limit_is_the_requests_own(timeout: float) -> None:
    in_time, _ = outcome(answers(timeout - 1), timeout)
    assert isinstance(in_time, ChatReply), repr(in_time)
    late, took = outcome(answers(timeout * 3), timeout)
    assert not isinstance(late, ChatReply), f"{timeout:g} saniyelik sınıra rağmen cevap döndü"
    assert took == pytest.approx(timeout, abs=0.01)


@pytest.mark.task(
    "1.3",
    points=8,
    hint="send bir hata fırlattığında translate(exception, request) ne verdiyse onu raise et: döndürme, "
    "yutma, asıl hatayı da olduğu gibi bırakma. UnboundLocalError görüyorsan: `except … as e`'deki e, "
    "blok bitince silinir; hatayı başka bir değişkende tut.",
    more="except bloğunda translate'in sonucunu bir değişkene koy. Blok bitince, yani bir girinti "
    "geride, o değişkeni raise et.",
)
def test_an_error_of_the_sdk_is_raised_translated() -> None:
    failure, _ = outcome(fails(sdk_error()))
    assert isinstance(failure, Translated), f"translate'in verdiği hata yerine şu çıktı: {failure!r}"
    assert failure.of is openai.APIConnectionError, f"translate'e SDK'nın hatası gitmedi: {failure!r}"


@pytest.mark.task(
    "1.3",
    points=8,
    hint="SDK'nın hata ağacının dışında da hata var: JSONDecodeError, RuntimeError('Event loop is "
    "closed'), hiç duymadıkların… Tek tek sayma: her Exception'ı yakala.",
    more="`except openai.…` ya da bir demet yazdıysan adını bilmediğin hatalar kaçar. Bütün olağan "
    "hataların ortak bir üst sınıfı var.",
)
@pytest.mark.parametrize(
    "exception",
    [
        json.JSONDecodeError("Expecting value", "<html>", 0),
        RuntimeError("Event loop is closed"),
        OSError("connection reset"),
        Unheard("of"),
    ],
    ids=lambda exception: type(exception).__name__,
)
def test_errors_outside_the_sdks_tree_are_translated(exception: Exception) -> None:
    failure, _ = outcome(fails(exception))
    assert isinstance(failure, Translated), repr(failure)
    assert failure.of is type(exception)


@pytest.mark.task(
    "1.3",
    points=8,
    hint="Süre dolunca translate'e bir TimeoutError gitmeli. Süre sınırı try bloğunun dışındaysa "
    "TimeoutError çevrilmeden kaçar; move_on_after ise hata fırlatmadan bırakır. fail_after, try "
    "bloğunun içinde dursun.",
    more="Sıra dıştan içe şöyle olmalı: try, onun içinde süre sınırı, onun içinde await send(…). "
    "TimeoutError'ı sınırın kendisi fırlatır, except de onu görür.",
)
def test_the_end_of_the_time_is_translated_too() -> None:
    late, _ = outcome(answers(60), timeout=5.0)
    assert isinstance(late, Translated), f"translate'in verdiği hata yerine şu çıktı: {late!r}"
    assert late.of is TimeoutError, f"translate'e TimeoutError gitmedi: {late!r}"


@pytest.mark.task(
    "1.3",
    points=8,
    hint="read de hata fırlatabilir (MalformedReply, EmptyReply…) ve o hata da translate'ten geçmeli: "
    "read'i try bloğunun içinde çağır.",
    more="read çağrısı try bloğundan sonra ya da else'te duruyorsa hatası çevrilmez. Onu await send(…) "
    "satırının hemen altına al.",
)
@pytest.mark.parametrize("exception", [MalformedReply("not JSON"), LookupError("choices")])
def test_what_reading_raises_is_translated(exception: Exception) -> None:
    def broken(answer: object, request: ChatRequest, headers: Mapping[str, str]) -> ChatReply:
        raise exception

    failure, _ = outcome(answers(0), read=broken)
    assert isinstance(failure, Translated), f"translate'in verdiği hata yerine şu çıktı: {failure!r}"
    assert failure.of is type(exception), f"translate'e read'in hatası gitmedi: {failure!r}"


@pytest.mark.task(
    "1.3",
    points=8,
    hint="SDK'nın hatası, içindeki anahtarla birlikte hâlâ yeni hatanın üzerinde: __cause__ ya da "
    "__context__. except bloğunun içinde raise edersen Python ikisini bağlar, `from None` da yalnızca "
    "gizler. Hatayı bir değişkende tut, bloktan çıkınca raise et.",
    more="raise satırın except'in girintisinde mi? Bir girinti geri al. O satırda `from` da olmasın.",
)
def test_nothing_that_hangs_on_the_error_holds_the_key() -> None:
    failure, _ = outcome(fails(sdk_error()))
    assert isinstance(failure, ChatError), repr(failure)
    left = [error for error in reachable(failure) if isinstance(error, openai.OpenAIError)]
    assert not left, f"yeni hatada SDK'nın hatası kaldı: {left[0]!r}"


def reachable(error: BaseException) -> list[BaseException]:
    """`error`, and all errors that hang on it."""
    chain = [error]
    for link in chain:
        chain += [next for next in (link.__cause__, link.__context__) if next and next not in chain]
    return chain


@pytest.mark.task(
    "1.3",
    points=8,
    hint="İptal bir hata değil, dur emridir: onu yakalamazsın, CancelledError yoluna devam eder. "
    "BaseException'ı (ya da çıplak except ile her şeyi) değil, Exception'ı yakala.",
    more="`except BaseException`, çıplak `except:` ve `finally` içindeki return iptali yutar. "
    "CancelledError, Exception'ın altında değildir.",
)
def test_a_cancellation_passes() -> None:
    async def main() -> bool:
        call = asyncio.ensure_future(called(answers(3)))
        await asyncio.sleep(1)
        call.cancel()
        await asyncio.wait([call])
        return call.cancelled()

    assert virtual_time.run(main()), "iptal yutuldu"


@pytest.mark.task(
    "1.3",
    points=8,
    hint="Süre dolunca ya da iptal gelince send de durmalı; arkada çalışmaya devam ederse bağlantı açık "
    "kalır, ücret işlemeye devam eder. asyncio.shield onu korur, create_task ile başlatılan iş de "
    "kendiliğinden durmaz: send'i doğrudan await et, sınırı fail_after koysun.",
    more="create_task, ensure_future, shield ve thread'i bırak. `await send(request)` doğrudan süre "
    "sınırının içinde dursun; sınır onu iptal eder, iptal de ona kendiliğinden ulaşır.",
)
@pytest.mark.parametrize("cancelled", [False, True], ids=["out of time", "cancelled"])
def test_nothing_goes_on_behind_it(cancelled: bool) -> None:
    seen: list[str] = []

    async def send(request: ChatRequest) -> Answer:
        seen.append("başladı")
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("durdu")
        return "Selam!", {}

    async def main() -> list[str]:
        call = asyncio.ensure_future(called(send))
        await asyncio.sleep(1)
        if cancelled:
            call.cancel()
        await asyncio.wait([call])
        await asyncio.sleep(1)
        return list(seen)  # a copy, because the end of the loop stops everything

    expect("send", virtual_time.run(main()), ["başladı", "durdu"])
