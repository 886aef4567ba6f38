"""Vectors that others published: RFC 9180, draft-ietf-hpke-pq, X-Wing, Wycheproof, RFC 5869."""

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from crypto import aead, kdf, sign
from crypto.codec import unb64
from crypto.errors import ProtocolError
from crypto.hpke import OpeningKey
from crypto.secret import Secret
from crypto.suite import ENC_PUBLIC, ENCAPSULATION

DECRYPT = openssl.hpke._decrypt_with_aad  # single shot with aad, which the protocol does not use: for vectors only
WYCHEPROOF = Path(__file__).parents[3].parent / "shared" / "corpora" / "crypto" / "wycheproof"


def _hpke(name):
    return json.loads((files("cryptography_vectors") / "HPKE" / name).read_text())


def _wycheproof(name):
    path = WYCHEPROOF / name
    if not path.exists():
        pytest.skip("the Wycheproof corpus is not beside this repository")
    for group in json.loads(path.read_text())["testGroups"]:
        for case in group["tests"]:
            yield group, case


def _bytes(case, *names):
    return (bytes.fromhex(case[name]) for name in names)


X_WING_DRAFT = [
    case
    for case in json.loads((Path(__file__).parents[2] / "vectors" / "published" / "x_wing.json").read_text())["cases"]
    if case["expect"] == "ok"
]
X_WING = [case for case in _hpke("hpke-pq-test-vectors.json") if case["kem_id"] == 0x647A and case["mode"] == 0]


@pytest.mark.parametrize("case", X_WING, ids=lambda case: f"kdf {case['kdf_id']}")
def test_x_wing_seed_gives_the_published_public_key(case):
    seed, public = _bytes(case, "skRm", "pkRm")
    assert OpeningKey(Secret(seed)).public == public


@pytest.mark.parametrize("case", X_WING_DRAFT, ids=lambda case: case["name"])
def test_x_wing_draft_by_its_parts(case):
    """The combiner and the sizes as the draft has them, from public primitives; ``test_vectors`` drives the whole.

    Of the encapsulation ``cryptography`` can repeat the X25519 half alone: it draws the randomness of ML-KEM itself.
    """
    seed, eseed, ct, ss = (unb64(case["in"][name]) for name in ("seed", "eseed", "ct", "ss"))
    pk = unb64(case["out"]["pk"])
    assert (len(pk), len(ct), len(ss)) == (ENC_PUBLIC, ENCAPSULATION, 32)
    expanded = hashlib.shake_256(seed).digest(96)
    ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).decapsulate(ct[:1088])
    ephemeral = X25519PrivateKey.from_private_bytes(eseed[32:])
    assert ephemeral.public_key().public_bytes_raw() == ct[1088:]
    sent = ephemeral.exchange(X25519PublicKey.from_public_bytes(pk[1184:]))
    private = X25519PrivateKey.from_private_bytes(expanded[64:])
    assert private.exchange(X25519PublicKey.from_public_bytes(ct[1088:])) == sent
    assert hashlib.sha3_256(ml_kem + sent + ct[1088:] + pk[1184:] + b"\\.//^\\").digest() == ss


def test_the_draft_has_three_vectors():
    assert len(X_WING_DRAFT) == 3


def test_x_wing_with_hkdf_opens_the_published_ciphertext():
    case = next(case for case in X_WING if case["kdf_id"] == 1)
    seed, enc, info = _bytes(case, "skRm", "enc", "info")
    first = case["encryptions"][0]
    ct, associated, plain = _bytes(first, "ct", "aad", "pt")
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    assert DECRYPT(suite, enc + ct, OpeningKey(Secret(seed))._key, info, associated) == plain


def test_rfc_9180_base_mode_with_our_kdf_and_aead():
    """The hybrid vectors have no AES-256-GCM: the key schedule with it is checked with X25519 alone."""
    cases = [
        c for c in _hpke("test-vectors.json") if (c["mode"], c["kem_id"], c["kdf_id"], c["aead_id"]) == (0, 32, 1, 2)
    ]
    assert cases
    for case in cases:
        secret, enc, info = _bytes(case, "skRm", "enc", "info")
        ct, associated, plain = _bytes(case["encryptions"][0], "ct", "aad", "pt")
        suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
        key = X25519PrivateKey.from_private_bytes(secret)
        assert DECRYPT(suite, enc + ct, key, info, associated) == plain


def test_wycheproof_ed25519():
    count = 0
    for group, case in _wycheproof("ed25519_test.json"):
        public, message, signature = bytes.fromhex(group["publicKey"]["pk"]), *_bytes(case, "msg", "sig")
        assert sign.verify_raw(public, message, signature) == (case["result"] == "valid"), case
        count += 1
    assert count == 151


def test_wycheproof_aes_256_gcm():
    count = 0
    for group, case in _wycheproof("aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        key, nonce, associated, message, ct, tag = _bytes(case, "key", "iv", "aad", "msg", "ct", "tag")
        if case["result"] == "valid":
            assert aead.seal(key, nonce, message, associated) == ct + tag
            assert aead.unseal(key, nonce, ct + tag, associated) == message
        else:
            with pytest.raises(ProtocolError) as refused:
                aead.unseal(key, nonce, ct + tag, associated)
            assert refused.value.code == "open_failed"
        count += 1
    assert count > 50


def test_wycheproof_hkdf():
    count = 0
    for _, case in _wycheproof("hkdf_sha256_test.json"):
        if case["result"] != "valid":
            continue
        ikm, salt, info, okm = _bytes(case, "ikm", "salt", "info", "okm")
        assert kdf.hkdf(ikm, salt=salt, info=info, length=case["size"]) == okm
        count += 1
    assert count > 50


def test_a_label_is_what_the_specification_says():
    assert kdf.derive("commit", Secret(bytes(32))) == _hkdf_by_hand(bytes(32), b"pli/1/commit\0")


def _hkdf_by_hand(ikm, info):
    """RFC 5869 in three lines, with hashlib alone."""
    pseudo = _hmac(bytes(32), ikm)
    return _hmac(pseudo, info + b"\1")


def _hmac(key, data):
    key = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + data).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()
