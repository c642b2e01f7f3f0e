"""Turkish order and comparison, whatever the computer's locale is."""

from __future__ import annotations

import unicodedata

import pytest

from odev.course.turkish import fold, latin, sort_key


def test_letters_come_in_the_order_of_the_turkish_alphabet() -> None:
    names = [
        "Zeki",
        "Şule",
        "Sıla",
        "Irmak",
        "İpek",
        "Ilgaz",
        "Çağla",
        "Cem",
        "Ömer",
        "Osman",
        "Ünal",
        "Ufuk",
    ]
    in_order = [
        "Cem",
        "Çağla",
        "Ilgaz",
        "Irmak",
        "İpek",
        "Osman",
        "Ömer",
        "Sıla",
        "Şule",
        "Ufuk",
        "Ünal",
        "Zeki",
    ]
    assert sorted(names, key=sort_key) == in_order


def test_a_circumflex_and_capitals_do_not_move_a_name() -> None:
    assert sorted(["Kazım", "KÂMİL", "kadir"], key=sort_key) == ["kadir", "KÂMİL", "Kazım"]


def test_digits_come_before_letters() -> None:
    assert sorted(["a", "1", "ç"], key=sort_key) == ["1", "a", "ç"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("ISPARTA", "ısparta"), ("İZMİR", "izmir"), ("Şişli", unicodedata.normalize("NFD", "şişli"))],
)
def test_capitals_are_folded_by_turkish_rules(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_the_two_letters_i_stay_apart() -> None:
    assert fold("Ilık") != fold("İlik")


def test_platforms_write_names_without_accents() -> None:
    assert latin("Yılmaz, Ayşe Gül Öğüt-Çınar") == "yilmazaysegulogutcinar"
