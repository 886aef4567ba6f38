"""The recovery code: 28 characters on paper that open the account again.

Source: docs/spec/protocol.md 3.1.
"""

from dataclasses import dataclass
from typing import Final

from crypto import holder, kdf
from crypto.codec import tidy
from crypto.errors import require
from crypto.secret import Random, Secret, system_random
from crypto.suite import digest

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BODY: Final = 26  # characters that carry the 128 bits
_LENGTH: Final = 28
_LOOKALIKES: Final = str.maketrans("ILO", "110")


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """16 random bytes and their text on paper."""

    secret: Secret

    def text(self) -> str:
        """Seven groups of four characters. This is a secret: show it, never log it."""
        raw = self.secret.reveal()
        spelled = _spell(int.from_bytes(raw), _BODY) + _check(raw)
        return "-".join(spelled[i : i + 4] for i in range(0, _LENGTH, 4))

    def holder(self, name: str = "") -> holder.Holder:
        """The holder of kind ``recovery`` that this code is."""
        return holder.from_seed(kdf.derive_secret("recovery/seed", self.secret), kind="recovery", name=name)


def draw(random: Random = system_random) -> RecoveryCode:
    """Make a new code."""
    return RecoveryCode(Secret(random(16)))


def read(typed: str) -> RecoveryCode:
    """Read a code as a person types it.

    Raises:
        ProtocolError: ``bad_code``: other characters or another length; ``bad_check``: a typing error.

    """
    spelled = tidy(typed).translate(_LOOKALIKES)
    require(len(spelled) == _LENGTH and set(spelled) <= set(ALPHABET), "bad_code", "28 letters and digits")
    number = 0
    for character in spelled[:_BODY]:
        number = number << 5 | ALPHABET.index(character)
    require(number < 1 << 128, "bad_code", "first character")
    raw = number.to_bytes(16)
    require(_check(raw) == spelled[_BODY:], "bad_check")
    return RecoveryCode(Secret(raw))


def _spell(number: int, length: int) -> str:
    return "".join(ALPHABET[number >> 5 * i & 31] for i in reversed(range(length)))


def _check(raw: bytes) -> str:
    return _spell(int.from_bytes(digest("recovery/check", raw)[:2]) >> 6, 2)
