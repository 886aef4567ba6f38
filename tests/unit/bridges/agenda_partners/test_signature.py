"""A message counts when a partner signed it, now."""

import hmac
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridges.agenda.push.signature import Keys, SignatureError, verify

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
BODY = b'{"event":"1"}'
SECRET, OLD = b"s" * 32, b"o" * 32
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"k" * 32)  # the same in every process that collects tests
KEYS = Keys(secrets=(SECRET, OLD), public=(PRIVATE.public_key().public_bytes_raw(),))


def mac(secret=SECRET, stamp=STAMP, body=BODY):
    return "v1=" + hmac.new(secret, stamp.encode() + b"." + body, "sha256").hexdigest()


def sign(stamp=STAMP, body=BODY):
    return "ed25519=" + b64encode(PRIVATE.sign(stamp.encode() + b"." + body)).decode()


@pytest.mark.parametrize("header", [mac(), mac(OLD), mac().upper().replace("V1", "v1"), sign(), f"v1=00, {mac()}"])
def test_a_signature_of_the_partner_counts(header):
    assert verify(KEYS, stamp=STAMP, header=header, body=BODY, now=NOW) == NOW


@pytest.mark.parametrize(
    ("stamp", "header", "code"),
    [
        ("", mac(), "signature_missing"),
        (STAMP, "", "signature_missing"),
        ("now", mac(), "timestamp_broken"),
        ("-5", mac(), "timestamp_broken"),
        ("9" * 13, mac(), "timestamp_broken"),
        (STAMP, mac(b"x" * 32), "signature_wrong"),
        (STAMP, mac(body=b"{}"), "signature_wrong"),
        (STAMP, mac(stamp="1"), "signature_wrong"),
        (str(int(STAMP) + 1), mac(), "signature_wrong"),
        (STAMP, "v1=é", "signature_wrong"),
        (STAMP, "v2=" + mac()[3:], "signature_wrong"),
        (STAMP, "ed25519=!!", "signature_wrong"),
        (STAMP, sign(body=b"{}"), "signature_wrong"),
        (STAMP, ",".join(["v1=00"] * 8 + [mac()]), "signature_wrong"),
    ],
)
def test_everything_else_does_not(stamp, header, code):
    with pytest.raises(SignatureError) as caught:
        verify(KEYS, stamp=stamp, header=header, body=BODY, now=NOW)
    assert caught.value.code == code


@pytest.mark.parametrize("later", [timedelta(minutes=6), -timedelta(minutes=6)])
def test_a_message_of_another_time_does_not_count(later):
    with pytest.raises(SignatureError, match="timestamp_outside"):
        verify(KEYS, stamp=STAMP, header=mac(), body=BODY, now=NOW + later)


def test_weak_keys_are_refused():
    for wrong in ({}, {"secrets": (b"short",)}, {"public": (b"x" * 31,)}):
        with pytest.raises(ValueError):
            Keys(**wrong)


def test_secrets_do_not_print():
    assert "sss" not in repr(KEYS)
