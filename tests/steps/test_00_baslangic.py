"""Lesson 00 is graded by these: the check loop, on the smallest function of the package."""

from __future__ import annotations

import pytest

from expect import expect


def read_as(value: object, text: str | None) -> None:
    from safechat.call.fields import text_of

    expect(f"text_of({value!r})", text_of(value), text)


@pytest.mark.task(
    "0.1",
    points=2,
    hint="text_of('Merhaba'), 'Merhaba' döndürmeli (print değil, return). NotImplementedError görüyorsan "
    "`raise` satırı hâlâ duruyor: onu sil, yerine kendi kodunu yaz ve hücreyi yeniden çalıştır.",
    more="Fonksiyon ekrana yazmaz, değeri `return` ile geri verir. Tek durumla başla: değer bir str ise "
    "onu döndür.",
)
def test_a_text_is_itself() -> None:
    read_as("Merhaba", "Merhaba")


@pytest.mark.task(
    "0.1",
    points=2,
    hint="Sayılar metne çevrilmemiş ya da kayboluyor: bazı sunucular hata kodunu 429 gibi bir sayıyla "
    "verir, text_of(429) '429' olmalı. isinstance birden çok türe bakabilir.",
    more="isinstance'ın ikinci argümanı `str | int` gibi birden çok tür olabilir. Bir sayıyı metne "
    "str(…) çevirir.",
)
def test_a_number_becomes_a_text() -> None:
    read_as(429, "429")


@pytest.mark.task(
    "0.1",
    points=2,
    hint="Metin olmayan değerin sonucu None: ne 'None' yazısı ne de boş metin. str(None) ekrana 'None' "
    'yazdırır; boş metin ise "model boş cevap verdi" demektir, o başka bir şey.',
    more="str(None), dört harfli 'None' metnidir. Hiçbir tür tutmadığında fonksiyonun sonunda tırnaksız "
    "None dönmeli.",
)
def test_nothing_stays_nothing() -> None:
    read_as(None, None)


@pytest.mark.task(
    "0.1",
    points=2,
    hint="Boş metin de metindir, 0 da sayıdır: ikisi de korunmalı. `if value` ikisini de yok sayar; "
    "değere değil türüne bak.",
    more="'' ve 0, koşul olarak yanlış sayılır: `if value`, `value or …`, `value and …` onları eler. "
    "Koşulun yalnızca türü sorsun (isinstance).",
)
@pytest.mark.parametrize(("value", "text"), [("", ""), (0, "0")])
def test_what_is_empty_or_zero_is_kept(value: object, text: str) -> None:
    read_as(value, text)


@pytest.mark.task(
    "0.1",
    points=2,
    hint="True bir metin değil. Python'da bool, int'in alt sınıfıdır: isinstance(True, int) doğru çıkar. "
    "bool'u ayrıca dışarıda bırak.",
    more="İki şey birlikte gerekiyor: değer int olacak ve bool olmayacak. Ya bool'u en başta ele ya da "
    "koşula ikinci bir isinstance sorusu ekle.",
)
@pytest.mark.parametrize("value", [True, False])
def test_a_bool_is_no_text(value: bool) -> None:
    read_as(value, None)


@pytest.mark.task(
    "0.1",
    points=2,
    hint="Liste ve sözlük metin değil; onları str() ile yazıya çevirme, None döndür.",
    more="str() her şeyi çevirir, bu yüzden try/except ile denemek işe yaramaz. İzin verdiğin türlerin "
    "dışında kalan her şey None olsun.",
)
@pytest.mark.parametrize("value", [["Merhaba"], {"text": "Merhaba"}])
def test_what_holds_a_text_is_none_itself(value: object) -> None:
    read_as(value, None)


@pytest.mark.task(
    "0.1",
    points=2,
    hint="Yalnızca metin (str) ve tam sayı (int) metne çevrilir. 1.5 gibi bir float da bytes da "
    "(b'Merhaba') onlardan değil: sonuç None.",
    more="Yasak türleri değil, izin verilen türleri say. int(value), float ya da .decode() kullandıysan "
    "onlara gerek yok.",
)
@pytest.mark.parametrize("value", [1.5, b"Merhaba"])
def test_other_types_are_no_text(value: object) -> None:
    read_as(value, None)


@pytest.mark.task(
    "0.1",
    points=2,
    hint="Metin olduğu gibi döner: başındaki ve sonundaki boşluk da metnin parçası, strip() onu siler.",
    more="Metinle hiçbir işlem yapma: strip(), split(), replace() yok. Ne geldiyse o dönsün.",
)
def test_a_text_keeps_its_white_space() -> None:
    read_as(" Merhaba \n", " Merhaba \n")
