"""Keys that would let anybody sign, or nobody seal."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from crypto import hpke, sign
from crypto.errors import ProtocolError
from crypto.secret import Secret

P = 2**255 - 19
SMALL = sorted(hpke._SMALL_ORDER_U)
PUBLIC = hpke.OpeningKey(Secret(bytes(32))).public


def spellings():
    for u in SMALL:
        for value in (u, u + P):
            if value < 2**255:
                yield from (value.to_bytes(32, "little"), (value | 1 << 255).to_bytes(32, "little"))


@pytest.mark.parametrize("half", list(spellings()), ids=bytes.hex)
def test_a_member_cannot_announce_a_key_that_nobody_can_seal_to(half):
    with pytest.raises(ValueError, match="shared key"):  # the library would only say so when somebody seals
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(half))
    with pytest.raises(ProtocolError) as refused:
        hpke.require_strong(PUBLIC[:1184] + half)
    assert refused.value.code == "weak_key"
    with pytest.raises(ProtocolError) as refused:
        hpke.seal(PUBLIC[:1184] + half, b"", b"x")
    assert refused.value.code == "weak_key"


def test_a_zero_share_in_a_box_opens_nothing():
    key = hpke.OpeningKey(Secret(bytes(32)))
    sealed = hpke.seal(key.public, b"", b"x")
    with pytest.raises(ProtocolError) as refused:
        key.unseal(b"", sealed[:1088] + bytes(32) + sealed[1120:])
    assert refused.value.code == "open_failed"


def test_the_point_of_order_one_would_sign_everything():
    """Why weak keys are refused: this signature is good for every message."""
    identity, base = b"\1" + bytes(31), b"\x58" + b"\x66" * 31
    signature = base + (1).to_bytes(32, "little")
    assert sign.verify_raw(identity, b"any", signature)
    assert sign.verify_raw(identity, b"other", signature)
    with pytest.raises(ProtocolError) as refused:
        sign.require_strong(identity)
    assert refused.value.code == "weak_key"
