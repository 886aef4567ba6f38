"""The French health identity: number, key, issuing register, and when it is qualified. Source: docs/spec/mail.md 6."""

import re
from typing import Final, Literal

OIDS: Final = {
    "1.2.250.1.213.1.4.8": "nir",
    "1.2.250.1.213.1.4.9": "nia",
    "1.2.250.1.213.1.4.10": "test",
    "1.2.250.1.213.1.4.11": "demonstration",
    "1.2.250.1.213.1.4.2": "ins_c",
}
Check = Literal["good", "missing", "bad_form", "bad_key", "not_real"]
_FORM: Final = re.compile(r"[1-478][0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{6}[0-9]{2}")


def key_of(number: str) -> int:
    """Give the key of the first 13 signs: 97 minus the remainder, Corsica counted as 19 and 18."""
    digits = number[:5] + {"2A": "19", "2B": "18"}.get(number[5:7], number[5:7]) + number[7:13]
    return 97 - int(digits) % 97


def check(number: str, oid: str, *, production: bool = False) -> Check:
    """Judge a number of 15 signs; test and demonstration registers are ``not_real`` in production."""
    if not number:
        return "missing"
    if not _FORM.fullmatch(number):
        return "bad_form"
    if key_of(number) != int(number[13:]):
        return "bad_key"
    return "not_real" if production and OIDS.get(oid) not in {"nir", "nia"} else "good"
