"""One grammar of addresses: what does not fit is refused, never repaired."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.mail import limits
from bridges.mail.address import AddressError, read_address, read_list, read_mailbox, read_sender
from bridges.mail.reasons import QuarantineError


@pytest.mark.parametrize(
    ("written", "name", "address"),
    [
        ("martin@cabinet.mssante.fr", "", "martin@cabinet.mssante.fr"),
        ("<martin@cabinet.mssante.fr>", "", "martin@cabinet.mssante.fr"),
        ("Dr Martin <martin@CABINET.mssante.fr>", "Dr Martin", "martin@cabinet.mssante.fr"),
        ('"Martin, Claire" <m@x.fr>', "Martin, Claire", "m@x.fr"),
        (r'"a \"b\" <c@d.fr>" <m@x.fr>', 'a "b" <c@d.fr>', "m@x.fr"),
        ("evil@attacker.example (<martin@cabinet.mssante.fr>)", "", "evil@attacker.example"),
        ("=?utf-8?q?Cl=C3=A9ment?= <m@x.fr>", "=?utf-8?q?Cl=C3=A9ment?=", "m@x.fr"),
    ],
)
def test_a_mailbox_is_read(written, name, address):
    box = read_mailbox(written)
    assert (box.name, str(box.address)) == (name, address)


@pytest.mark.parametrize(
    "written",
    [
        "<martin@cabinet.mssante.fr>evil@attacker.example",
        "martin@cabinet.mssante.fr, evil@attacker.example",
        '"martin@cabinet.mssante.fr"@attacker.example',
        '"a"b <m@x.fr>',
        "Cabinet: martin@cabinet.mssante.fr;",
        "martin@cabinet.mssante.fr.",
        "martin@cabinet.mssant\u200be.fr",
        "martin@cabinet.mss\u0430nte.fr",
        "a@b@c.fr",
        "a@[127.0.0.1]",
        "a@localhost",
        ".a@x.fr",
        "a..b@x.fr",
        "a@-x.fr",
        "a\r\nb@x.fr",
        "a\r\nRCPT TO:<b@x.fr>",
        "a@x.fr\n",
        "a@x.fr\x00",
        "a b@x.fr",
        "<a@x.fr> <b@x.fr>",
        "A <a@x.fr>>",
        "<<a@x.fr>>",
        "",
        "x" * 65 + "@x.fr",
        "a@" + "x" * 64 + ".fr",
    ],
)
def test_a_trick_is_refused(written):
    with pytest.raises(AddressError):
        read_mailbox(written)


@given(st.text(max_size=40))
def test_what_is_taken_is_written_back_the_same(text):
    try:
        address = read_address(text)
    except AddressError:
        return
    assert str(address).lower() == text.lower()
    assert text.isascii()
    assert not set(text) & set(' \r\n\t<>",;:()[]\\')


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([], "sender_missing"),
        (["a@x.fr", "a@x.fr"], "sender_several"),
        (["a@x.fr, b@x.fr"], "sender_several"),
        (["nobody"], "sender_broken"),
    ],
)
def test_the_sender_is_one(fields, reason):
    with pytest.raises(QuarantineError) as refused:
        read_sender(fields)
    assert refused.value.reason == reason


def test_a_list_keeps_the_good_and_counts_the_others():
    good, bad = read_list('"Martin, C" <a@x.fr>, nobody, B <b@x.fr>')
    assert [str(each.address) for each in good] == ["a@x.fr", "b@x.fr"]
    assert bad == 1


def test_a_flood_of_recipients_is_refused():
    with pytest.raises(QuarantineError, match="too_many_recipients"):
        read_list("a@x.fr," * (limits.RECIPIENTS + 1))
