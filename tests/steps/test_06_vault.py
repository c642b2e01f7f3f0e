"""Lesson 06 is graded by these: the login at Vault, the layer that changes the key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from expect import expect
from safechat import errors
from safechat.call.clients import key_in_use
from safechat.errors import AuthenticationFailed, ChatError, KeyUnavailable
from safechat.keys.source import Key
from safechat.messages import ChatReply, ChatRequest
from safechat.redact import redact

# 6.1 keys.vault.login.log_in

TOKEN = "classroom-token-Zk3x9Q7m"
SECRET_ID = "4f1c7c1e-secret-id-of-the-tests"
JSON, HTML = "application/json", "text/html"

# As a server answers (tests/safechat/keys/vault/test_lesson_answers.py compares them with a real one's).
ACCEPTED: dict[str, dict[str, Any]] = {
    "auth": {"client_token": TOKEN, "lease_duration": 1200, "renewable": True}
}
WRONG_SECRET_ID = (400, {"errors": ["invalid role or secret ID"]})
DENIED = (403, {"errors": ["permission denied"]})
NO_METHOD = (404, {"errors": ['no handler for route "auth/approle/login". route entry not found.']})
SEALED = (503, {"errors": ["Vault is sealed"]})


@dataclass
class Server(requests.adapters.BaseAdapter):
    """In a Vault's place: answers all requests with the same, and keeps them."""

    status: int = 200
    answer: Any = field(default_factory=lambda: ACCEPTED)
    content_type: str = JSON
    is_up: bool = True
    seen: list[tuple[str, Any]] = field(default_factory=list)

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        self.seen.append((str(request.path_url), json.loads(request.body or b"null")))
        if not self.is_up:
            raise requests.ConnectionError("connection refused", request=request)
        response = requests.Response()
        response.status_code, response.request, response.url = self.status, request, str(request.url)
        response.headers["content-type"] = self.content_type
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        response._content = text.encode()
        return response

    def close(self) -> None:
        """It holds nothing."""


def connected(server: Server, token: str = "") -> Any:
    """The package's Vault, whose requests go to `server`; it has that token so far."""
    from safechat.keys.vault.api import Vault

    vault = Vault("http://127.0.0.1:8200", None, None, (2.0, 5.0))
    vault.client.session.mount("http://", server)
    vault.client.token = token
    return vault


def logged_in(vault: Any, mount: str = "approle", now: float = 1000.0) -> object:
    from safechat.keys.vault.login import log_in

    return log_in(vault, "role-7", SECRET_ID, mount, now)


def refused(server: Server, token: str = "") -> ChatError:
    """The error of a login that must fail."""
    vault = connected(server, token)
    with pytest.raises(ChatError) as caught:
        logged_in(vault)
    expect("başarısız girişten sonra vault.client.token", vault.client.token, token)
    return caught.value


@pytest.mark.task(
    "6.1",
    points=8,
    hint="Önce her şeyin yolunda gittiği hâl: vault.ask önce bir ad (metin) ister, sonra isteği yapacak "
    "fonksiyonu. approle.login'i çağırmadan, `lambda: …` olarak ver. token_in'in cevapta bulduğu token'ı "
    "vault.use ile kullanıma al.",
    more="vault.ask'in üç argümanı var: ad, fonksiyon, LOGIN_DENIED. Fonksiyonu ask çağırır, sonucu sana "
    "o döndürür; cevap bir sözlüktür.",
)
def test_the_new_token_is_in_use() -> None:
    vault = connected(Server())
    logged_in(vault)
    expect("log_in'den sonra vault.client.token", vault.client.token, TOKEN)


@pytest.mark.task(
    "6.1",
    points=8,
    hint="Vault'a giden istek yanlış: adresi auth/{mount}/login, gövdesinde role_id ile secret_id yerli "
    "yerinde olmalı; ve istek bir tane olmalı.",
    more="hvac'ta login(role_id, secret_id, mount_point=…): argümanların sırasına ve mount'a bak.",
)
@pytest.mark.parametrize("mount", ["approle", "takim/approle"])
def test_the_login_is_sent_once_to_its_mount(mount: str) -> None:
    server = Server()
    logged_in(connected(server), mount)
    body = {"role_id": "role-7", "secret_id": SECRET_ID}
    expect("Vault'un gördüğü istekler", server.seen, [(f"/v1/auth/{mount}/login", body)])


@pytest.mark.task(
    "6.1",
    points=8,
    hint="Yeni token loglarda görünebilir: onu maskelenecekler arasına vault.use(token) alır. "
    "vault.client.token'ı kendin yazarsan, ya da hvac'a use_token=True dersen, kimsenin haberi olmaz.",
    more="hvac'ın login'ine use_token=False ver; token_in'in verdiği token'ı vault.use'a kendin ver.",
)
def test_the_new_token_is_taken_out_of_every_text() -> None:
    token = "classroom-token-Maskelenen-41"
    answer = {"auth": {"client_token": token, "lease_duration": 60}}
    logged_in(connected(Server(answer=answer)))
    shown = redact(f"token: {token}")
    assert token not in shown, f"redact(…) → {shown!r}; token görünmemeliydi"


@pytest.mark.task(
    "6.1",
    points=8,
    hint="Sonuç, yeniden giriş yapılacak an olmalı: now artı kira süresinin LEASE_SHARE katı. Kira bitene "
    "kadar beklersen son istek süresi dolmuş token'la gider.",
    more="Kirayı, saniye olarak, token_in verir. time.time() çağırma: şimdi, now'dır.",
)
@pytest.mark.parametrize(("now", "lease", "due"), [(1000.0, 1200, 2080.0), (50.0, 60, 104.0)])
def test_the_next_login_is_due_before_the_lease_is_over(now: float, lease: int, due: float) -> None:
    answer = {"auth": {"client_token": TOKEN, "lease_duration": lease}}
    came = logged_in(connected(Server(answer=answer)), now=now)
    expect("type(log_in(…))", type(came), float)
    assert came == pytest.approx(due), (
        f"kira {lease} sn, now={now:g}: log_in(…) → {came:g}; beklenen: {due:g}"
    )


@pytest.mark.task(
    "6.1",
    points=8,
    hint="Vault girişi reddetti, sonuç VaultAuthFailed olmalı. AppRole'ün o yolda hiç olmaması da (404, "
    "hvac'ta InvalidPath) başarısız bir giriştir; ask ona kendiliğinden SecretNotFound der.",
    more="vault.ask'in üçüncü argümanı, hvac'ın hatalarının ne anlama geldiğini söyleyen tablodur: "
    "LOGIN_DENIED hazır, ver.",
)
@pytest.mark.parametrize("answer", [WRONG_SECRET_ID, DENIED, NO_METHOD], ids=["400", "403", "404"])
def test_a_denied_login_is_named(answer: tuple[int, object]) -> None:
    expect(f"{answer[0]} cevabında hata", type(refused(Server(*answer))), errors.VaultAuthFailed)


@pytest.mark.task(
    "6.1",
    points=8,
    hint="Cevapta token olmayabilir. Token'ı yalnızca token_in okusun: "
    "answer[\"auth\"] yazma, hvac'ın login'ine de use_token=False ver; yoksa token'ı cevaptan o da okumaya "
    "kalkar.",
    more="use_token verilmezse True sayılır. token_in, token bulamazsa VaultUnreachable fırlatır; sen bir "
    "şey denetleme.",
)
def test_only_token_in_reads_the_token() -> None:
    vault = connected(Server(answer={"auth": None}))
    came: object = "hata yok"
    try:
        logged_in(vault)
    except Exception as error:
        came = type(error)
    expect("token'sız bir cevapta hata", came, errors.VaultUnreachable)


@pytest.mark.task(
    "6.1",
    points=8,
    hint="Mühürlü Vault VaultSealed, ulaşılamayan Vault VaultUnreachable'dır; bunlara 'giriş reddedildi' "
    "deme. Elde anahtar varken hangisinin olduğu çok şey değiştirir. vault.ask bu hataları zaten ayırır: "
    "olduğu gibi geçsinler.",
    more="Bütün Exception'ları yakalayıp VaultAuthFailed'e çevirme; vault.ask'ten çıkan hatayı yakalama.",
)
@pytest.mark.parametrize(
    ("server", "kind"),
    [
        (Server(*SEALED), errors.VaultSealed),
        (Server(is_up=False), errors.VaultUnreachable),
        (Server(answer="<html>log in</html>", content_type=HTML), errors.VaultUnreachable),
        (Server(502, "<html>bad gateway</html>", HTML), errors.VaultUnreachable),
    ],
    ids=["sealed", "down", "a page", "a load balancer"],
)
def test_a_vault_that_cannot_answer_is_not_a_denial(server: Server, kind: type[ChatError]) -> None:
    expect("log_in'in hatası", type(refused(server)), kind)


@pytest.mark.task(
    "6.1",
    points=8,
    hint="Giriş başarısızsa eldeki token'a dokunma: süresi dolmamış olabilir. Yenisi gerçekten gelmeden "
    "eskisini silme.",
    more="vault.use'u en sona bırak: cevap geldi ve token'ı okundu. vault.client.token'a hiç dokunma.",
)
@pytest.mark.parametrize(
    "server",
    [Server(*WRONG_SECRET_ID), Server(*SEALED), Server(answer={"auth": None})],
    ids=["denied", "sealed", "no token"],
)
def test_a_login_that_failed_leaves_the_token(server: Server) -> None:
    refused(server, token="eski-token-0123456789")


@pytest.mark.task(
    "6.1",
    points=8,
    hint="Hatanın üzerinde hvac'ın ya da requests'in hatası kaldı, ya da metninde secret_id geçiyor. "
    "requests'in hatası isteği taşır, istekte de secret_id vardır (ders 01'deki __context__).",
    more="İsteği vault.ask yapsın: hatayı except bloğunun dışında fırlatır.",
)
@pytest.mark.parametrize("server", [Server(*WRONG_SECRET_ID), Server(is_up=False)], ids=["denied", "down"])
def test_nothing_on_the_error_holds_the_secret_id(server: Server) -> None:
    error = refused(server)
    chain = [error.__cause__, error.__context__]
    assert chain == [None, None], f"__cause__ ve __context__ → {[type(link).__name__ for link in chain]}"
    assert SECRET_ID not in str(error), f"hatanın metni → {error}"


# 6.2 keys.layer.Keyed

FIRST, SECOND, THIRD = (Key(SecretStr(f"sk-steps-{number}-0000000000"), number) for number in (1, 2, 3))
REQUEST = ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="gpt-5-mini")
SAME_AS_SECOND = Key(SECOND.value, 3)
FIRST_MADE_ANEW = Key(SecretStr("sk-steps-anew-0000000000"), 1)


def refuses(request: ChatRequest) -> ChatError:
    return AuthenticationFailed("401: invalid_api_key", status=401, model=request.model)


@dataclass
class API:
    """The next handler: answers requests with one of `good`, and fails any other with `error`."""

    good: tuple[Key, ...] = ()
    error: Callable[[ChatRequest], ChatError] = refuses
    seen: list[str] = field(default_factory=list)
    failures: list[ChatError] = field(default_factory=list)

    async def __call__(self, request: ChatRequest) -> ChatReply:
        expect("alttaki katmana giden istek", request, REQUEST)
        self.seen.append(key_in_use())
        if key_in_use() in [key.value.get_secret_value() for key in self.good]:
            return ChatReply("Selam!", request.model)
        self.failures.append(self.error(request))
        raise self.failures[-1]

    def expect_keys(self, *keys: Key) -> None:
        names = {key.value.get_secret_value(): f"{key.version}. sürüm" for key in (FIRST, SECOND, THIRD)}
        names |= {FIRST_MADE_ANEW.value.get_secret_value(): "baştan yazılan 1. sürüm", "": "anahtarsız"}
        seen = [names.get(key, "başka bir anahtar") for key in self.seen]
        expect("API'nin gördüğü anahtarlar", seen, [names[key.value.get_secret_value()] for key in keys])


@dataclass
class Keys:
    """The source: `key` is the newest, `newer` is what it has for those whom the API refused `key`."""

    key: Key | Exception
    newer: Key | Exception | None = None
    asked: list[int | None] = field(default_factory=list)

    async def get(self, not_version: int | None = None) -> Key:
        self.asked.append(not_version)
        if not_version is not None and self.newer is not None:
            self.key = self.newer
        if isinstance(self.key, Exception):
            raise self.key
        return self.key


def answered(api: API, keys: Keys) -> ChatReply:
    from safechat.keys.layer import Keyed

    reply = asyncio.run(Keyed(api, keys)(REQUEST))
    expect("type(await keyed(istek))", type(reply), ChatReply)
    return reply


def failed(api: API, keys: Keys) -> ChatError:
    from safechat.keys.layer import Keyed

    keyed = Keyed(api, keys)
    with pytest.raises(ChatError) as caught:
        asyncio.run(keyed(REQUEST))
    return caught.value


@pytest.mark.task(
    "6.2",
    points=8,
    hint="Önce her şeyin yolunda gittiği hâl: anahtarı get_key(self._keys, request) ile al, isteği "
    "answer_with ile gönder, gelen cevabı döndür.",
    more="answer_with(key, self._next, request) isteği o anahtarla alttaki katmana verir; await etmeyi "
    "unutma.",
)
def test_a_request_has_the_key_of_the_source() -> None:
    api, keys = API((FIRST,)), Keys(FIRST)
    reply = answered(api, keys)
    expect("(cevabın metni, attempts)", (reply.text, reply.attempts), ("Selam!", 1))
    api.expect_keys(FIRST)
    expect("kaynağa sorulan not_version'lar", keys.asked, [None])


@pytest.mark.task(
    "6.2",
    points=8,
    hint="Anahtarı her istekte kaynağa sor, saklama: yenilenen anahtar, kimse 401 almadan da kullanılmalı. "
    "Sık sormanın bedeli yok, önbellek kaynağın içinde.",
    more="get_key'i __init__'te değil, __call__'un başında çağır; sonucu self'e yazma.",
)
def test_each_request_asks_for_the_key() -> None:
    from safechat.keys.layer import Keyed

    api, keys = API((FIRST, SECOND)), Keys(FIRST)

    async def main() -> None:
        keyed = Keyed(api, keys)
        await keyed(REQUEST)
        keys.key = SECOND
        await keyed(REQUEST)

    asyncio.run(main())
    api.expect_keys(FIRST, SECOND)


@pytest.mark.task(
    "6.2",
    points=8,
    hint="API anahtarı reddetti (AuthenticationFailed) ve kaynakta yenisi vardı: istek yeni anahtarla bir "
    "kez daha gönderilmeliydi. Yeni anahtarı isterken hangi sürümün reddedildiğini söyle.",
    more="get_key'in üçüncü argümanı not_version'dır: reddedilen key.version. Vermezsen önbellek aynı "
    "anahtarı bir daha uzatır.",
)
def test_a_refused_key_is_replaced() -> None:
    api, keys = API((SECOND,)), Keys(FIRST, newer=SECOND)
    expect("cevabın metni", answered(api, keys).text, "Selam!")
    api.expect_keys(FIRST, SECOND)
    expect("kaynağa sorulan not_version'lar", keys.asked, [None, 1])


@pytest.mark.task(
    "6.2",
    points=8,
    hint="Kaynakta başka anahtar yok: aynı anahtarla bir daha denemek boşuna, API'nin kendi hatasını (ilk "
    "401'i) fırlat. Başka bir hata uydurma, None da döndürme.",
    more="except AuthenticationFailed as … ile yakaladığın hatayı bir ada koy, değerler aynıysa onu fırlat.",
)
def test_without_another_key_the_401_is_the_answer() -> None:
    api, keys = API(), Keys(FIRST)
    error = failed(api, keys)
    api.expect_keys(FIRST)
    assert error is api.failures[0], f"fırlatılan → {error!r}; beklenen: API'nin 401 hatasının kendisi"


@pytest.mark.task(
    "6.2",
    points=8,
    hint="Sürümleri değil, değerleri (key.value) karşılaştır. Aynı değer yeni bir sürüm numarasıyla yazılmış "
    "olabilir; metadata'sıyla birlikte silinip "
    "yeniden yazılan bir sır yine sürüm 1'den başlar.",
    more="Key nesnelerini karşılaştırma, içinde sürüm de var: iki key.value'yu karşılaştır.",
)
def test_values_are_compared_and_not_versions() -> None:
    api, keys = API(), Keys(SECOND, newer=SAME_AS_SECOND)
    failed(api, keys)
    api.expect_keys(SECOND)
    api, keys = API((FIRST_MADE_ANEW,)), Keys(FIRST, newer=FIRST_MADE_ANEW)
    answered(api, keys)
    api.expect_keys(FIRST, FIRST_MADE_ANEW)


@pytest.mark.task(
    "6.2",
    points=8,
    hint="Yeni anahtar da reddedildiyse orada dur: bir kez daha, o kadar. Döngü kurarsan geçersiz anahtarla "
    "API'yi de Vault'u da döversin.",
    more="answer_again'i bir kez çağır, ondan çıkan hatayı yakalama.",
)
def test_a_new_key_that_is_refused_too_is_the_end() -> None:
    api, keys = API(), Keys(FIRST, newer=SECOND)
    error = failed(api, keys)
    api.expect_keys(FIRST, SECOND)
    assert error is api.failures[1], f"fırlatılan → {error!r}; beklenen: ikinci isteğin hatası"
    expect("kaynağa sorulan not_version'lar", keys.asked, [None, 1])


@pytest.mark.task(
    "6.2",
    points=8,
    hint="Yalnızca AuthenticationFailed (401) yeni anahtar ister. Limit, yetki ya da sunucu hatasında "
    "anahtarın suçu yok: hata olduğu gibi geçsin, kaynağa sorma.",
    more="except'te ChatError ya da Exception değil, yalnızca AuthenticationFailed yazsın.",
)
@pytest.mark.parametrize("error", [errors.RateLimited, errors.PermissionDenied, errors.ServerError])
def test_other_errors_need_no_other_key(error: type[ChatError]) -> None:
    api, keys = API(error=lambda request: error("başka", model=request.model)), Keys(FIRST, newer=SECOND)
    raised = failed(api, keys)
    assert keys.asked == [None], f"API'nin hatası {error.__name__} iken kaynağa bir kez daha soruldu"
    api.expect_keys(FIRST)
    assert raised is api.failures[0], f"fırlatılan → {raised!r}; beklenen: API'nin hatasının kendisi"


@pytest.mark.task(
    "6.2",
    points=8,
    hint="İki istek gitti ama attempts ikisini saymıyor. İkinci isteği answer_again ile gönder: reddedilen "
    "ilk isteği çağrının kaydına o yazar.",
    more="answer_with'i ikinci kez çağırma; answer_again ilk anahtarı, yenisini ve ilk hatayı ister.",
)
def test_both_requests_are_counted() -> None:
    expect("cevabın attempts'i", answered(API((SECOND,)), Keys(FIRST, newer=SECOND)).attempts, 2)
    expect("hatanın attempts'i", failed(API(), Keys(FIRST, newer=SECOND)).attempts, 2)


@pytest.mark.task(
    "6.2",
    points=8,
    hint="Kaynak hata fırlatırsa (401'den sonraki ikinci soruda da) onunla istek gönderilmez; "
    "sonuç hep KeyUnavailable'dır, kaynak başka bir hata "
    "(LookupError gibi) fırlatsa da. Kaynağa doğrudan keys.get ile değil, get_key ile sor.",
    more="get_key'i iki soruda da kullan; ondan çıkan hatayı yakalama, 401'e de çevirme.",
)
@pytest.mark.parametrize(
    "problem", [KeyUnavailable("Vault is down"), LookupError("api_key")], ids=["its own", "another"]
)
def test_without_a_key_nothing_is_sent(problem: Exception) -> None:
    api = API((FIRST,))
    expect("ilk soruda hata", type(failed(api, Keys(problem))), KeyUnavailable)
    api.expect_keys()
    api = API()
    expect("ikinci soruda hata", type(failed(api, Keys(FIRST, newer=problem))), KeyUnavailable)
    api.expect_keys(FIRST)
