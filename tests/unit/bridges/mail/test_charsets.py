"""Text as its writers meant it: wrong names of character sets, cut signs, damaged octets, lines cut to fit."""

import pytest

from bridges.mail.charsets import decode
from bridges.mail.flowed import unfold
from bridges.mail.html import to_text
from bridges.mail.reading import read
from bridges.mail.words import decode_words, has_hidden_line


def text_of(fields: str, body: bytes) -> str:
    reading = read(b"From: a@x.fr\r\n" + fields.encode() + b"\r\n\r\n" + body)
    assert reading.mail is not None, reading.reason
    return reading.mail.text


@pytest.mark.parametrize(
    ("charset", "octets", "text"),
    [
        ("iso-8859-1", b"c\x9cur, l\x92h\xf4pital, 10 \x80", "cœur, l’hôpital, 10 €"),
        ("us-ascii", "déjà".encode(), "déjà"),
        ("gb2312", "朱镕基".encode("gbk"), "朱镕基"),
        ("shift_jis", "①髙".encode("cp932"), "①髙"),
        ("x-sjis", "日本".encode("cp932"), "日本"),
        ("ks_c_5601-1987", "똠방각하".encode("cp949"), "똠방각하"),
        ("windows-874", "สวัสดี".encode("cp874"), "สวัสดี"),
        ("iso-8859-8-i", "שלום".encode("iso8859-8"), "שלום"),
        ("iso-2022-jp", "日本語".encode("iso2022_jp"), "日本語"),
        ("big5", "中文測試".encode("big5"), "中文測試"),
        ("'utf-8'", "é".encode(), "é"),
        ("x-nonsense", "é".encode("cp1252"), "é"),
        ("zlib", "é".encode("cp1252"), "é"),
        ("a\x00b", b"e", "e"),
    ],
)
def test_a_character_set_is_read_as_it_is_meant(charset, octets, text):
    assert decode(octets, charset) == text


def test_one_damaged_octet_leaves_the_rest_legible():
    assert decode("éàü cœur ".encode() + b"\xe9 fin", "utf-8") == "éàü cœur \ufffd fin"
    assert decode("日本語".encode("iso2022_jp") + b"\xff", "iso-2022-jp") == "日本語\ufffd"
    assert decode("Résultat à jour, reçu".encode("cp1252"), "utf-8") == "Résultat à jour, reçu"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "gb18030", "iso-2022-jp", "shift_jis", "iso-8859-1"])
def test_a_long_text_ends_before_the_sign_that_is_cut(charset):
    octets = ("é" * 20 if charset == "iso-8859-1" else "日本" * 5).encode(charset)
    for most in range(4, len(octets)):
        text = decode(octets, charset, most)
        assert set(text) <= set("é日本"), (most, text)
        assert len(text) >= most // 4 - 2


def test_a_sign_cut_in_two_words_is_one():
    assert decode_words("=?utf-8?q?h=C3?= =?UTF-8?q?=A9mogramme?=") == "hémogramme"
    assert decode_words("=?utf-8?b?w6k=?=\t=?utf-8?q?_b?=") == "é b"
    assert decode_words("a =?utf-8?q?b?= c =?iso-8859-1?q?=E9?= =?utf-8?q?=C3=A9?= d") == "a b c éé d"
    assert decode_words("=?utf-8?q?a?= =?utf-8?b?!?= =?utf-8?q?c?=") == "a =?utf-8?b?!?= c"
    assert has_hidden_line("=?utf-8?q?a=0D?= =?utf-8?q?=0AB?=")


def test_the_lines_of_flowed_text_are_joined():
    flowed = "text/plain; charset=utf-8; format=flowed"
    body = b"une longue \r\nligne.\r\n\r\n> cit\xc3\xa9 \r\n> aussi\r\n>> plus loin \r\n-- \r\nDr Martin\r\n  deux"
    shown = "une longue ligne.\n\n> cité aussi\n> > plus loin \n-- \nDr Martin\n deux"
    assert text_of(f"Content-Type: {flowed}", body) == shown
    assert text_of(f"Content-Type: {flowed}; delsp=yes", b"ab \r\ncd") == "abcd"
    assert text_of("Content-Type: text/plain", b"ab \r\ncd") == "ab \ncd"
    assert len(unfold("a \n" * 170_000, joined=False)) == 340_000


def test_a_page_says_its_character_set_itself():
    page = "<meta http-equiv='Content-Type' content='text/html; charset=windows-1251'><p>Привет"
    assert text_of("Content-Type: text/html", page.encode("cp1251")) == "Привет"
    assert text_of("Content-Type: text/html; charset=utf-8", page.encode()) == "Привет"


def test_what_stands_in_two_cells_is_two_words():
    assert to_text("<table><tr><td>Potassium</td><td>3,5</td></tr><tr><td>Sodium</td></tr></table>") == (
        "Potassium 3,5\n\nSodium"
    )
    assert to_text("<table><tr><th>Fer<td>9<td>µmol/L<tr><th>TSH<td>2") == "Fer 9 µmol/L\nTSH 2"
    assert to_text("<h5>Fer</h5>9<section>TSH</section>2<caption>Sang</caption>B<dl><dt>K<dd>4") == (
        "Fer\n9\nTSH\n2\nSang\nB\n\nK\n4"
    )
    assert to_text("<pre>K   3,5\nNa  140</pre><p>a\n b") == "K   3,5\nNa  140\n\na b"
    assert to_text("<head><title>x</title><body><p>bonjour") == "bonjour"


@pytest.mark.parametrize(
    ("fields", "body", "text"),
    [
        ("Content-Type: text", b"a", "a"),
        ("Content-Type: text/plain (texte); charset=iso-8859-15", b"10 \xa4", "10 €"),
        ("Content-Transfer-Encoding: base64 (7bit)", b"YQ==", "a"),
        ('Content-Transfer-Encoding: "base64"', b"YQ==", "a"),
    ],
)
def test_fields_are_read_as_old_programs_write_them(fields, body, text):
    assert text_of(fields, body) == text


def test_an_alternative_of_spaces_is_none():
    body = b"--Z\r\nContent-Type: text/plain\r\n\r\n \r\n--Z\r\nContent-Type: text/html\r\n\r\n<b>a</b>\r\n--Z--"
    assert text_of("Content-Type: multipart/alternative; boundary=Z", body) == "a"
