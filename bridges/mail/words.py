"""Bytes of a stranger into text that can be shown: character sets, encoded words, signs that mislead.

Source: RFC 2047, RFC 2231, docs/spec/mail.md 4.
"""

import base64
import binascii
import codecs
import quopri
import re
from typing import Final

from bridges.mail import limits

# An allow list: Python also knows codecs that are no character sets (zlib, rot13, utf-7, punycode, idna).
CHARSETS: Final = [
    "ascii",
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "latin-1",
    "iso8859-2",
    "iso8859-3",
    "iso8859-4",
    "iso8859-5",
    "iso8859-6",
    "iso8859-7",
    "iso8859-8",
    "iso8859-9",
    "iso8859-10",
    "iso8859-13",
    "iso8859-14",
    "iso8859-15",
    "iso8859-16",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp1258",
    "cp437",
    "cp850",
    "koi8-r",
    "koi8-u",
    "mac-roman",
    "big5",
    "gb2312",
    "gbk",
    "gb18030",
    "euc-jp",
    "shift_jis",
    "iso2022_jp",
    "euc-kr",
]
_KNOWN: Final = {codecs.lookup(name).name for name in CHARSETS}

_WORD: Final = re.compile(r"=\?([A-Za-z0-9_.:-]{1,40})(?:\*[A-Za-z0-9-]{0,20})?\?([bBqQ])\?([!->@-~]{0,4000})\?=")
_BETWEEN: Final = re.compile(r"(\?=)[ \t]+(?==\?)")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROLS_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Directions, joiners and marks that make a name look like another one; and lone surrogates, which no UTF-8 carries.
_MISLEADING: Final = re.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def warm_up() -> None:
    """Load every character set: afterwards decoding opens no file, and the child may lose that right."""
    for name in CHARSETS:
        codecs.lookup(name)
        b"a".decode(name, "replace")


def decode(octets: bytes, charset: str) -> str:
    """Decode as far as possible; an unknown or wrong character set is read as UTF-8, then as Windows-1252."""
    for name in (charset, "utf-8"):
        try:
            if codecs.lookup(name).name in _KNOWN:
                return octets.decode(name)
        except (LookupError, ValueError):  # ValueError: NUL in the name, or octets that do not fit
            continue
    return octets.decode("cp1252", "replace")


def decode_words(text: str) -> str:
    """Decode RFC 2047 words, at most ``limits.ENCODED_WORDS``; what is broken stays as it is written."""
    if "=?" not in text:
        return text
    return _WORD.sub(_decode_word, _BETWEEN.sub(r"\1", text), count=limits.ENCODED_WORDS)


def _decode_word(found: re.Match[str]) -> str:
    charset, encoding, body = found.groups()
    try:
        if encoding in "bB":
            octets = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
        else:
            octets = quopri.decodestring(body.replace("_", " "), header=False)
    except (binascii.Error, ValueError):
        return found[0]
    return decode(octets, charset)


def has_hidden_line(text: str) -> bool:
    """Whether decoding brought a line break or a NUL into what must be one line: always an attempt to add a field."""
    return any(sign in decode_words(text) for sign in "\r\n\x00")


def one_line(text: str, most: int = limits.SUBJECT) -> str:
    """Give what may be shown on one line: encoded words read, control and misleading signs gone, cut at ``most``."""
    shown = _MISLEADING.sub("", _CONTROLS.sub(" ", decode_words(text)))
    return " ".join(shown.split())[:most]


def paragraph(text: str, most: int = limits.TEXT) -> str:
    """Give what may be shown as text: LF ends a line, no control or misleading sign, cut at ``most`` characters."""
    lines = text[: 2 * most].replace("\r\n", "\n").replace("\r", "\n")
    return _MISLEADING.sub("", _CONTROLS_IN_TEXT.sub("", lines))[:most].strip("\n")
