"""How much of a stranger's file is read, in one place. Source: docs/spec/mail.md 2."""

from typing import Final

from bridges.sandbox.limits import Limits

MIB: Final = 1024 * 1024

RAW: Final = 36 * MIB  # bytes of one mail: 25 MB of files in base64, and its lines
HEADER_BLOCK: Final = 256 * 1024  # bytes of all fields of one part
FIELDS: Final = 500  # fields of one part
FIELD: Final = 64 * 1024  # bytes of one field that is decoded
ENCODED_WORDS: Final = 200  # RFC 2047 words decoded in one field
RECIPIENTS: Final = 200  # addresses in To and Cc together
DEPTH: Final = 20  # parts inside parts
PARTS: Final = 200  # parts of one mail
PARAMETERS: Final = 50  # of one Content-Type or Content-Disposition
TEXT: Final = 512 * 1024  # characters of text that is shown
HTML: Final = 2 * MIB  # characters of HTML that is looked at
SUBJECT: Final = 998  # characters that are kept of a subject or a display name
FILE_NAME: Final = 120  # characters that are kept of a file name
REFERENCES: Final = 100  # Message-IDs kept of References

ENTRIES: Final = 200  # files in an archive
DIRECTORY: Final = 64 * 1024  # bytes of its table of contents
UNPACKED: Final = 64 * MIB  # bytes of all files in it together
RATIO: Final = 200  # unpacked to packed, for files over 1 MiB
FOLDERS: Final = 6  # in one name

XML: Final = 40 * MIB  # bytes of one document: a PDF of 25 MB in base64
XML_DEPTH: Final = 64
XML_ELEMENTS: Final = 50_000
XML_ATTRIBUTES: Final = 64  # of one element

CPU: Final = 0.9  # seconds of one mail in the child
WALL: Final = 10.0  # seconds that the parent waits for the child, however busy the machine is
ADDRESS_SPACE: Final = 256 * MIB  # of the child, all included
ANSWER: Final = 160 * MIB  # bytes of the child's answer
LIFE: Final = 2000  # files after which a child is replaced


def child() -> Limits:
    """Give the bounds of the reading child."""
    return Limits(cpu=CPU, wall=WALL, address_space=ADDRESS_SPACE, answer=ANSWER, life=LIFE)
