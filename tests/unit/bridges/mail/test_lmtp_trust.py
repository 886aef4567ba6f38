"""Names of peers and the list that says what they may do."""

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from hypothesis import given, strategies

from bridges.mail import whitelist
from bridges.mail.lmtp_trust import PeerError, Trust, name_peer, read_peer, split_own, split_peer
from bridges.mail.names import of_certificate
from tests.fakes.mailhost_papers import issue, signed_list

AUTHORITY = issue("AC", "IGC")
SIGNER = issue("alb", "ALB", AUTHORITY)
PEER = issue("mx.chu.fr", "CHU, du Nord + \\ #1", AUTHORITY)
NAME = of_certificate(PEER.certificate.subject)


def token() -> str:
    return name_peer(quote(PEER.pem.decode()))


def test_a_name_comes_back_as_the_same_attributes():
    assert read_peer(token()) == NAME
    peer, written = split_peer(f"X-Pli-Peer: {token()}\r\nFrom: a@x.fr\r\n\r\n".encode())
    assert (peer, written) == (NAME, b"From: a@x.fr\r\n\r\n")


@pytest.mark.parametrize("escaped", ["", "x", "%00", "-----BEGIN CERTIFICATE-----%0Ax%0A-----END CERTIFICATE-----"])
def test_what_is_no_certificate_names_nobody(escaped):
    with pytest.raises(PeerError):
        name_peer(escaped)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"From: a@x.fr\r\nX-Pli-Peer: TOKEN\r\n\r\n",
        b"Received: from x\r\nX-Pli-Peer: TOKEN\r\n\r\n",
        b" X-Pli-Peer: TOKEN\r\n\r\n",
        b"X-Pli-Peer: TOKEN\n\r\n",
        b"X-Pli-Peer: TOKEN \r\n\r\n",
        b"X-Pli-Peer:  TOKEN\r\n\r\n",
        b"X-Pli-Own: TOKEN\r\n\r\n",
        b"X-Pli-Own: <dr@x.fr>\r\n\r\n",
        b"X-Pli-Own: dr@x.fr\r\n more\r\n\r\n",
    ],
)
def test_only_the_first_line_as_we_write_it_counts(raw):
    raw = raw.replace(b"TOKEN", token().encode())
    with pytest.raises(PeerError):
        split_peer(raw)
    if b"more" not in raw:
        with pytest.raises(PeerError):
            split_own(raw)


@given(strategies.text(max_size=60))
def test_any_login_is_a_name_or_refused(text):
    for given_token in (text, base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")):
        try:
            assert read_peer(given_token)
        except PeerError:
            continue


def test_a_list_counts_for_thirty_days_and_a_bad_one_leaves_the_last_good_one(tmp_path):
    path = tmp_path / "list.xml"
    trust = Trust(path, AUTHORITY.certificate)
    assert trust.admits("chu.fr", NAME) is None
    assert trust.reason == "FileNotFoundError"
    path.write_bytes(signed_list(SIGNER, {"chu.fr": [PEER.name]}))
    assert (trust.admits("CHU.fr", NAME), trust.reason) == (True, "")
    assert trust.admits("other.fr", NAME) is False
    assert trust.admits("chu.fr", frozenset({("2.5.4.3", "mx.chu.fr")})) is False  # the common name alone is nothing
    now = datetime.now(tz=UTC)
    assert trust.admits("chu.fr", NAME, now=now + timedelta(days=31)) is None
    assert trust.admits("chu.fr", NAME, now=now - timedelta(days=2)) is None  # it would be young for ever
    path.write_bytes(
        signed_list(issue("alb", "ALB", issue("AC", "IGC")), {"chu.fr": ["CN=evil"], "other.fr": ["CN=e"]})
    )
    assert trust.admits("chu.fr", NAME) is True
    assert trust.reason == "authority_differs"
    path.write_bytes(signed_list(SIGNER, {"other.fr": [PEER.name]}))
    assert (trust.admits("chu.fr", NAME), trust.admits("other.fr", NAME)) == (False, True)


def test_a_list_counts_from_the_signer_that_is_named(tmp_path):
    path = tmp_path / "list.xml"
    path.write_bytes(signed_list(SIGNER, {"chu.fr": [PEER.name]}))
    assert Trust(path, AUTHORITY.certificate, signer=SIGNER.name).admits("chu.fr", NAME) is True
    other = Trust(path, AUTHORITY.certificate, signer=PEER.name)
    assert (other.admits("chu.fr", NAME), other.reason) == (None, "signer_differs")


def test_a_list_is_judged_once_whether_it_counts_or_not(tmp_path, monkeypatch):
    judged = []
    judge = whitelist.verify
    monkeypatch.setattr(whitelist, "verify", lambda octets, **known: judged.append(octets) or judge(octets, **known))
    path = tmp_path / "list.xml"
    trust = Trust(path, AUTHORITY.certificate)
    for octets, known, reason in (
        (b"no list", None, "xml_broken"),
        (signed_list(SIGNER, {"chu.fr": [PEER.name]}), True, ""),
    ):
        path.write_bytes(octets)
        assert [trust.admits("chu.fr", NAME) for _ in range(3)] == [known] * 3
        assert (trust.reason, judged.pop(), judged) == (reason, octets, [])
