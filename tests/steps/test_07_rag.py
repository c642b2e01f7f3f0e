"""Lesson 07 is graded by these: packing, the citations of an answer, a prompt that is too long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from expect import expect
from safechat.errors import ChatError, ContextTooLong, ServerError
from safechat.rag.packing import Packed
from safechat.rag.prompt import block
from safechat.rag.sources import Source

# 7.1 rag.packing.pack

SMALL, MIDDLE, LARGE = Source("a" * 10), Source("b" * 60), Source("c" * 400)
SMALL_TOO, MIDDLE_TOO = Source("a" * 9 + "!"), Source("b" * 59 + "!")


def cost_of(number: int, source: Source) -> int:
    return len(block(number, source))


def names(sources: Sequence[Source]) -> str:
    return "".join(source.text[:1] for source in sources) or "-"


def packs(found: Sequence[Source], budget: int, *, chosen: str, left_out: str) -> Packed:
    """Sources by their first letters: a is small, b of middling size, c large."""
    from safechat.rag.packing import pack

    packed = pack(iter(found), budget, len)
    call = f"pack({[source.text[0] for source in found]}, {budget}, len)"
    came = (names(packed.sources), names(packed.left_out))
    expect(f"{call} → (sources, left_out)", came, (chosen, left_out))
    return packed


@pytest.mark.task(
    "7.1",
    points=6,
    hint="Bütçe hepsine yetiyorsa hepsi girmeli, geldikleri sırayla. Sonuç bir Packed: "
    "Packed(sources, left_out, tokens); ilk ikisi tuple.",
    more="Boş bir liste ve kalan bütçeyle başla, kaynakları sırayla gez. Sığanı listeye ekle, maliyetini "
    "kalandan düş. En sonda listeleri tuple'a çevirip Packed'e ver.",
)
def test_all_that_fit_are_packed_in_their_order() -> None:
    packed = packs([MIDDLE, SMALL], 1000, chosen="ba", left_out="-")
    expect("type(packed.sources)", type(packed.sources), tuple)


@pytest.mark.task(
    "7.1",
    points=6,
    hint="Kaynak ya bütünüyle girer ya hiç girmez; yarım bir metin yanlış bilgi demektir. Sığmayan "
    "left_out'a gider.",
    more="Metni kesme: maliyet kalandan büyükse kaynağı olduğu gibi left_out listesine ekle.",
)
def test_a_source_is_packed_as_a_whole_or_not_at_all() -> None:
    packed = packs([LARGE], 300, chosen="-", left_out="c")
    expect("left_out[0].text == metnin bütünü", packed.left_out[0].text == LARGE.text, True)


@pytest.mark.task(
    "7.1",
    points=6,
    hint="İlk sığmayanda durma: arkadaki daha küçük bir kaynak hâlâ sığabilir.",
    more="break yerine left_out'a ekleyip döngüye devam et.",
)
def test_a_smaller_source_behind_a_large_one_may_still_fit() -> None:
    packs([SMALL, LARGE, SMALL_TOO], 300, chosen="aa", left_out="c")


@pytest.mark.task(
    "7.1",
    points=6,
    hint="Maliyet yalnızca metnin değil: kaynak prompt'a başlığı ve işaretleriyle girer. "
    "block(numara, kaynak) "
    "prompt'taki hâlini verir, tokens'ı ona uygula.",
    more="Önce block ile metni kur, sonra o metni tokens'a ver. Kaynağın yalnızca text'i yetmez.",
)
def test_a_source_costs_what_it_takes_in_the_prompt() -> None:
    packs([MIDDLE], cost_of(1, MIDDLE) - 1, chosen="-", left_out="b")


@pytest.mark.task(
    "7.1",
    points=6,
    hint="Bütçe kaynağın maliyetine tam denk, yine de sığmalı. Karşılaştırma işaretine bak.",
    more="Maliyet kalandan büyükse sığmaz; kalana eşitse sığar.",
)
def test_a_source_that_takes_all_of_the_budget_is_packed() -> None:
    packs([MIDDLE], cost_of(1, MIDDLE), chosen="b", left_out="-")


@pytest.mark.task(
    "7.1",
    points=6,
    hint="Bütçe azalmıyor ya da yanlış azalıyor: her seçilen kaynak kalan bütçeden yer. Yer, "
    "kaynağın maliyeti kadar azalmalı.",
    more="Kalanı yalnızca bir kaynağı seçtiğinde azalt; sığmayanın maliyetini düşme.",
)
def test_what_is_packed_leaves_less_room() -> None:
    both = cost_of(1, MIDDLE) + cost_of(2, MIDDLE)
    packs([MIDDLE, MIDDLE_TOO], both, chosen="bb", left_out="-")
    packs([MIDDLE, MIDDLE_TOO], both - 1, chosen="b", left_out="b")
    packs([LARGE, MIDDLE, MIDDLE_TOO], both, chosen="bb", left_out="c")


@pytest.mark.task(
    "7.1",
    points=6,
    hint="Packed.tokens, seçilen kaynakların toplam maliyetidir: bütçe eksi kalan.",
    more="Kalanı değil harcananı ver: baştaki bütçe ile kalan arasındaki farkı.",
)
def test_the_tokens_are_those_of_what_is_packed() -> None:
    packed = packs([SMALL, LARGE], 300, chosen="a", left_out="c")
    expect("packed.tokens", packed.tokens, cost_of(1, SMALL))


@pytest.mark.task(
    "7.1",
    points=6,
    hint="Hiç kaynak yoksa sonuç boş bir Packed; hata değil.",
    more="Döngü hiç dönmezse listeler boş kalır, Packed((), (), 0) çıkar; özel bir durum gerekmez.",
)
def test_nothing_found_is_nothing_packed() -> None:
    packed = packs([], 300, chosen="-", left_out="-")
    expect("packed.tokens", packed.tokens, 0)


@pytest.mark.task(
    "7.1",
    points=6,
    hint="Kaynaklar en iyisi önde gelir; sırayı sen değiştirme. Küçükleri öne alırsan en iyi kaynak "
    "dışarıda kalabilir.",
    more="sorted kullanma. Geldikleri sırayla bak, sığanı al.",
)
def test_the_best_source_goes_first_even_if_it_is_the_largest() -> None:
    packs([MIDDLE, SMALL], cost_of(1, MIDDLE), chosen="b", left_out="a")


@pytest.mark.task(
    "7.1",
    points=6,
    hint="block'a verdiğin numara, kaynağın seçilenler arasındaki sırası olmalı ve 1'den başlamalı; "
    "atlanan kaynak numara almaz.",
    more="Numara, o ana kadar seçilenlerin sayısından bir fazladır. Döngünün sayacı atlananları da sayar.",
)
def test_the_numbers_are_those_of_the_packed() -> None:
    from safechat.rag.packing import pack

    priced: list[str] = []

    def tokens(text: str) -> int:
        priced.append(text)
        return len(text)

    pack(iter([SMALL, LARGE, MIDDLE]), 300, tokens)
    names = {
        block(number, source): f"block({number}, {source.text[0]}…)"
        for number in range(4)
        for source in (SMALL, LARGE, MIDDLE)
    }
    came = [names.get(text, text[:20]) for text in priced]
    expected = [names[block(1, SMALL)], names[block(2, LARGE)], names[block(2, MIDDLE)]]
    expect("tokens'a verilen metinler", came, expected)


# 7.2 rag.citations.citations


def cites(text: str, *, cited: tuple[int, ...] = (), unknown: tuple[int, ...] = (), sources: int = 3) -> None:
    from safechat.rag.citations import citations

    found = citations(text, sources)
    expect(f"citations({text!r}, {sources}).cited", found.cited, cited)
    expect(f"citations({text!r}, {sources}).unknown", found.unknown, unknown)


@pytest.mark.task(
    "7.2",
    points=6,
    hint="[1] birinci kaynağı gösterir. Sonuç Citations(cited, unknown); ikisi de tam sayılardan bir tuple.",
    more="numbers_in(metin) numaraları bir listede verir; onları ikiye ayır ve tuple(…) ile çevir.",
)
def test_a_number_in_brackets_is_a_citation() -> None:
    cites("İade 14 gündür [1].", cited=(1,))


@pytest.mark.task(
    "7.2",
    points=6,
    hint="Alıntı yoksa iki tuple da boş; hata değil.",
    more="Numara olmayınca döngü hiç dönmez: Citations((), ()) kalır.",
)
def test_without_citations_both_are_empty() -> None:
    cites("İade 14 gündür.")


@pytest.mark.task(
    "7.2",
    points=6,
    hint="Numaraları numbers_in(text) verir. Kendi kalıbını yazma: [1; 2], 【1†dosya】 ve koddaki a[1] "
    "orada çözülmüştür.",
    more="text'e yalnızca numbers_in'in içinden bak; regex'e gerek yok.",
)
def test_the_numbers_are_those_of_numbers_in() -> None:
    cites("İade 14 gün, kargo 59 lira [1, 3].", cited=(1, 3), sources=5)
    cites("İkisi de ücretsiz [1; 2].", cited=(1, 2))
    cites("İade 14 gündür 【1】, kargo 59 lira 【2†kargo.pdf】.", cited=(1, 2))
    cites("Listenin ikinci elemanı `a[1]` [2].", cited=(2,))
    cites("```python\nx = a[3]\n```\nBöyle yapılır [1].", cited=(1,))


@pytest.mark.task(
    "7.2",
    points=6,
    hint="Olmayan bir kaynağın numarası unknown'a gider: üç kaynak varken [9] uydurmadır, [0] da öyle.",
    more="1 <= numara <= sources ise cited, değilse unknown.",
)
def test_a_number_without_a_source_is_unknown() -> None:
    cites("Kargo ücretsizdir [9].", unknown=(9,))
    cites("İade [1], kargo [0].", cited=(1,), unknown=(0,))


@pytest.mark.task(
    "7.2",
    points=6,
    hint="Son kaynak da kaynaktır: üç kaynak varken [3] bilinir, [4] bilinmez.",
    more="Üst sınır dahil: numara <= sources.",
)
def test_the_last_source_is_known() -> None:
    cites("Fatura e-postayla gelir [3], garanti iki yıl [4].", cited=(3,), unknown=(4,))


@pytest.mark.task(
    "7.2",
    points=6,
    hint="Numaralar ilk geçtikleri sırayla durur; küçükten büyüğe değil.",
    more="sorted ve set sırayı bozar. Sırayı koruyan bir dict'in anahtarları işini görür: "
    "dict.fromkeys(numaralar).",
)
def test_the_order_is_that_of_the_first_mention() -> None:
    cites("Önce kargo [3], sonra iade [1].", cited=(3, 1))


@pytest.mark.task(
    "7.2",
    points=6,
    hint="Aynı numara iki kez geçse de bir kez sayılır; unknown için de böyle.",
    more="Listeye eklemeden önce içinde var mı diye bak ya da dict.fromkeys kullan.",
)
def test_a_number_counts_once() -> None:
    cites("[2] ve [2]; [7], [7]", cited=(2,), unknown=(7,))


# 7.3 rag.pipeline.ask_with_room


class Kitchen:
    """Packs and asks by a script, and remembers how often."""

    def __init__(self, *outcomes: str | ChatError, sizes: Sequence[int] = (3, 1)) -> None:
        self.budgets: list[int] = []
        self.asked: list[int] = []
        self._outcomes = list(outcomes)
        self._sizes = list(sizes)

    async def pack(self, budget: int) -> Packed:
        self.budgets.append(budget)
        size = self._sizes[min(len(self.budgets), len(self._sizes)) - 1]
        return Packed((SMALL,) * size, (LARGE,), 90 * size)

    async def ask(self, packed: Packed) -> str:
        self.asked.append(len(packed.sources))
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, ChatError):
            raise outcome
        return outcome


def answered(kitchen: Kitchen) -> tuple[int, str | None]:
    """The number of sources and the answer."""
    from safechat.rag.pipeline import ask_with_room

    result = asyncio.run(ask_with_room(kitchen.pack, 1000, kitchen.ask))
    assert isinstance(result, tuple), f"ask_with_room(...) → {result!r}; beklenen: (packed, cevap) ikilisi"
    packed, reply = result
    return len(packed.sources), reply


def raised(kitchen: Kitchen) -> ChatError:
    try:
        answer = answered(kitchen)
    except ChatError as error:
        return error
    raise AssertionError(f"ask_with_room(...) → {answer!r}; bir hata fırlatılmalıydı")


@pytest.mark.task(
    "7.3",
    points=8,
    hint="İşler yolundayken: pack(budget) ile paketle, ask(packed) ile sor, ikisini birlikte döndür. "
    "İkisi de "
    "async, await gerekir.",
    more="Önce pack'i bekle, verdiğini ask'a götür. Sonuçta packed önde, cevap arkadadır.",
)
def test_what_is_packed_is_asked() -> None:
    kitchen = Kitchen("14 gün [1]")
    expect("ask_with_room(...)", answered(kitchen), (3, "14 gün [1]"))
    expect("pack'e verilen bütçeler", kitchen.budgets, [1000])
    expect("soruların kaynak sayısı", kitchen.asked, [3])


@pytest.mark.task(
    "7.3",
    points=8,
    hint="Hiç kaynak yoksa soru sorulmaz: model kaynaksız cevap uydurur, üstelik parası ödenir. "
    "Sonuç (packed, None).",
    more="Paketledikten sonra, sormadan önce packed.sources boş mu diye bak.",
)
def test_without_sources_nothing_is_asked() -> None:
    kitchen = Kitchen("uydurma", sizes=[0])
    expect("ask_with_room(...)", answered(kitchen), (0, None))
    expect("soru sayısı", len(kitchen.asked), 0)


@pytest.mark.task(
    "7.3",
    points=8,
    hint="ContextTooLong gelince bir kez daha, kullanılan token'ların yarısıyla paketleyip sor; "
    "ikinci cevabı, onun packed'iyle birlikte döndür.",
    more="İlk soruyu try içinde sor. Hatayı yakaladıysan yeniden paketle ve yeni paketi bir kez daha sor.",
)
def test_a_prompt_that_is_too_long_is_asked_once_more_with_less() -> None:
    kitchen = Kitchen(ContextTooLong("uzun"), "14 gün [1]")
    expect("ask_with_room(...)", answered(kitchen), (1, "14 gün [1]"))
    expect("soruların kaynak sayısı", kitchen.asked, [3, 1])


@pytest.mark.task(
    "7.3",
    points=8,
    hint="Yarısı, bütçenin değil kullanılanın yarısı. Bütçe bol olabilir; onun yarısına yine aynı kaynaklar "
    "sığar, aynı hata yine gelir.",
    more="pack'i ikinci kez çağırırken budget'a bakma; ilk paketin kaç token tuttuğu kendi alanında yazılı.",
)
def test_half_is_half_of_what_was_used() -> None:
    kitchen = Kitchen(ContextTooLong("uzun"), "cevap")
    answered(kitchen)
    expect("pack'e verilen bütçeler", kitchen.budgets, [1000, 135])


@pytest.mark.task(
    "7.3",
    points=8,
    hint="İkinci deneme de uzun gelirse o hata çağırana gider. Sonsuza dek yarılama; toplam iki soru.",
    more="İkinci ask, try'ın dışında kalsın.",
)
def test_there_is_one_second_try() -> None:
    kitchen = Kitchen(ContextTooLong("uzun"), ContextTooLong("yine uzun"), "asla")
    expect("fırlatılan hata", str(raised(kitchen)), "yine uzun")
    expect("soru sayısı", len(kitchen.asked), 2)


@pytest.mark.task(
    "7.3",
    points=8,
    hint="Yalnızca ContextTooLong'da yarıla. 503'ü tekrar denemek bu fonksiyonun işi değil; o hata "
    "olduğu gibi gitmeli.",
    more="except ContextTooLong: yaz; except ChatError ya da except Exception değil.",
)
def test_another_error_passes_at_once() -> None:
    kitchen = Kitchen(ServerError("503"), "asla")
    expect("fırlatılan hata", type(raised(kitchen)), ServerError)
    expect("soru sayısı", len(kitchen.asked), 1)


@pytest.mark.task(
    "7.3",
    points=8,
    hint="Yarı bütçeye hiçbir kaynak sığmazsa sorma; ilk ContextTooLong hatasını fırlat. None "
    "döndürürsen kullanıcı "
    "'kaynak yok' sanır, oysa kaynak vardı.",
    more="İkinci paketin sources'ı da boş olabilir, sormadan önce bak. except bloğunun hatası blok bitince "
    "silinir; sonra da gerekecekse başka bir değişkende tut.",
)
def test_where_half_holds_nothing_the_error_is_raised() -> None:
    kitchen = Kitchen(ContextTooLong("uzun"), "asla", sizes=[1, 0])
    expect("fırlatılan hata", str(raised(kitchen)), "uzun")
    expect("soru sayısı", len(kitchen.asked), 1)


@pytest.mark.task(
    "7.3",
    points=8,
    hint="Döndürdüğün packed, cevabı veren prompt'unki olmalı: alıntı numaraları ona göre okunacak.",
    more="İkinci denemede packed'i yeniden ata, eskisini döndürme.",
)
def test_the_sources_are_those_of_the_answer() -> None:
    kitchen = Kitchen(ContextTooLong("uzun"), "14 gün [1]", sizes=[4, 2])
    expect("ask_with_room(...)[0] içindeki kaynak sayısı", answered(kitchen)[0], 2)
