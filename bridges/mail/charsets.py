"""Bytes of a stranger into signs: what is declared, what is meant by it, what can be saved of damaged text.

Source: docs/spec/mail.md 5; WHATWG Encoding 4.2 for the names that mean a wider set than they say.
"""

import codecs
import re
from typing import Final

# An allow list: Python also knows codecs that are no character sets (zlib, rot13, utf-7, punycode, idna).
CHARSETS: Final = [
    "ascii",
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
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
    "iso8859-11",
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
    "cp852",
    "cp866",
    "cp874",
    "tis-620",
    "koi8-r",
    "koi8-u",
    "mac-roman",
    "big5",
    "big5hkscs",
    "cp950",
    "gb2312",
    "gbk",
    "gb18030",
    "hz",
    "euc-jp",
    "shift_jis",
    "cp932",
    "iso2022_jp",
    "iso2022_jp_2",
    "iso2022_jp_ext",
    "euc-kr",
    "cp949",
    "iso2022_kr",
]
_KNOWN: Final = {codecs.lookup(name).name for name in CHARSETS}
_OTHER_NAMES: Final = {
    "windows-874": "cp874",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-2022-jp-ms": "iso2022_jp_ext",
}
# What is written under a name, by those who wrote the programs: with the quotes, the euro and the signs of Windows.
_MEANT: Final = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "cp950",
    "iso2022_jp": "iso2022_jp_ext",
}
# A damaged octet in these leaves the signs around it legible.
_LONG: Final = {"utf-8", "gb18030", "cp932", "cp949", "cp950", "big5hkscs", "euc_jp", "iso2022_jp_ext"}
_DECLARED_IN_HTML: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)


def warm_up() -> None:
    """Load every character set: afterwards decoding opens no file, and the child may lose that right."""
    for name in CHARSETS:
        codecs.lookup(name)
        b"a".decode(name, "replace")


def decode(octets: bytes, charset: str, most: int | None = None) -> str:
    """Decode as far as possible.

    What does not fit the declared set is read as UTF-8; where only little of either is damaged, that stays a mark among
    legible signs; else it is read as Windows-1252. After ``most`` bytes, and before a sign that is cut there, it ends.
    """
    names = dict.fromkeys((_meant(charset), "utf-8"))
    for name in filter(None, names):
        try:
            return _decode(octets, name, most)
        except ValueError:
            continue
    for name in names:
        if name in _LONG and _is_legible(text := _decode(octets, name, most, "replace")):
            return text
    return _decode(octets, "cp1252", most, "replace")


def _decode(octets: bytes, name: str, most: int | None, errors: str = "strict") -> str:
    if most is None or len(octets) <= most:
        return octets.decode(name, errors)
    return codecs.getincrementaldecoder(name)(errors).decode(octets[:most])


def declared_in_html(octets: bytes) -> str:
    """Give the character set that a page names in its first kibibyte, or nothing."""
    found = _DECLARED_IN_HTML.search(octets[:1024])
    return found[1].decode("ascii") if found else ""


def _meant(charset: str) -> str:
    """Give the set that counts for a name, or nothing for one that is none."""
    plain = charset.strip(" '\"").lower()
    for name in (_OTHER_NAMES.get(plain, plain), plain.removeprefix("x-")):
        try:
            known = codecs.lookup(name).name
        except (LookupError, ValueError):  # ValueError: NUL in the name
            continue
        if known in _KNOWN:
            return _MEANT.get(known, known)
    return ""


def _is_legible(text: str) -> bool:
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return text.count("\ufffd") * 4 <= beyond_ascii
