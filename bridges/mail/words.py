"""Text of a stranger into text that can be shown: encoded words, signs that mislead.

Source: RFC 2047, RFC 2231, docs/spec/mail.md 4.
"""

import base64
import binascii
import quopri
import re
from itertools import islice
from typing import Final

from bridges.mail import limits
from bridges.mail.charsets import decode

_WORD: Final = re.compile(r"=\?([A-Za-z0-9_.:-]{1,40})(?:\*[A-Za-z0-9-]{0,20})?\?([bBqQ])\?([!->@-~]{0,4000})\?=")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROLS_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Directions, joiners and marks that make a name look like another one; and lone surrogates, which no UTF-8 carries.
_MISLEADING: Final = re.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def decode_words(text: str) -> str:
    """Decode RFC 2047 words, at most ``limits.ENCODED_WORDS``; what is broken stays as it is written.

    Words that follow each other in one character set are put together first: many programs cut a sign in two.
    """
    if "=?" not in text:
        return text
    shown, at, charset, octets = list[str](), 0, "", b""
    for found in islice(_WORD.finditer(text), limits.ENCODED_WORDS):
        inside = _octets(found)
        if inside is None:
            continue
        between = text[at : found.start()]
        if not charset or between.strip(" \t"):
            shown += (decode(octets, charset), between)
            octets = b""
        elif charset != found[1].lower():
            shown.append(decode(octets, charset))
            octets = b""
        charset, octets, at = found[1].lower(), octets + inside, found.end()
    return "".join((*shown, decode(octets, charset), text[at:]))


def _octets(word: re.Match[str]) -> bytes | None:
    _, encoding, body = word.groups()
    try:
        if encoding in "bB":
            return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
        return quopri.decodestring(body.replace("_", " "), header=False)
    except (binascii.Error, ValueError):
        return None


def has_hidden_line(text: str) -> bool:
    """Whether decoding brought a line break or a NUL into what must be one line: always an attempt to add a field."""
    decoded = decode_words(text)
    return any(sign in decoded for sign in "\r\n\x00")


def one_line(text: str, most: int = limits.SUBJECT) -> str:
    """Give what may be shown on one line: encoded words read, control and misleading signs gone, cut at ``most``."""
    shown = _MISLEADING.sub("", _CONTROLS.sub(" ", decode_words(text)))
    return " ".join(shown.split())[:most]


def paragraph(text: str, most: int = limits.TEXT) -> str:
    """Give what may be shown as text: LF ends a line, no control or misleading sign, cut at ``most`` characters."""
    lines = text[: 2 * most].replace("\r\n", "\n").replace("\r", "\n")
    return _MISLEADING.sub("", _CONTROLS_IN_TEXT.sub("", lines))[:most].strip("\n")
