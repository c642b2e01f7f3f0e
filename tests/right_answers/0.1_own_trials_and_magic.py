%%time
#| odev 0.1 call.fields.text_of
import unittest

import pytest

!echo deneme \
    iki satır
dosyalar = !ls
süre = %timeit -o -n1 -r1 str(1)


def text_of(value: object) -> str | None:
    """
    %timeit burada bir metin
    !bu da
    """
    match value:
        case bool():
            return None
        case str() | int():
            return f"{value}"
    return None


def test_text_of():
    with pytest.raises(ValueError):
        raise ValueError(text_of("a"))


class TestTextOf(unittest.TestCase):
    def test_none(self):
        self.assertIsNone(text_of(None))


text_of?
sonuç = text_of("Merhaba")
assert sonuç == "Merhaba"
