"""Answers of calendar servers: read by namespace, and refused when they are made to cost or to reach out."""

import pytest

from bridges.agenda.caldav.multistatus import CALDAV, DAV, read_multistatus
from bridges.agenda.provider import UnreachableError

HEAD = '<?xml version="1.0"?>'


def answer(inside: str, prefix: str = "x") -> bytes:
    return f'{HEAD}<{prefix}:multistatus xmlns:{prefix}="DAV:" xmlns:cal="urn:ietf:params:xml:ns:caldav">{inside}</{prefix}:multistatus>'.encode()


def test_properties_are_found_by_namespace_whatever_the_prefix():
    found = read_multistatus(
        answer(
            '<x:response><x:href>/a%20b/</x:href><x:propstat><x:prop><x:getetag>"1"</x:getetag>'
            "<cal:calendar-data>BEGIN&#13;\nEND</cal:calendar-data></x:prop><x:status>HTTP/1.1 200 OK</x:status></x:propstat>"
            "<x:propstat><x:prop><x:displayname>no</x:displayname></x:prop><x:status>HTTP/1.1 404 Not Found</x:status></x:propstat>"
            "</x:response><x:sync-token>t&amp;1</x:sync-token>"
        )
    )
    (one,) = found.responses
    assert (one.href, one.status, one.text(f"{DAV}getetag")) == ("/a%20b/", 200, '"1"')
    assert one.text(f"{CALDAV}calendar-data") == "BEGIN\r\nEND"
    assert one.text(f"{DAV}displayname") == ""
    assert found.sync_token == "t&1"


def test_a_resource_that_is_gone_says_so():
    gone = "<x:response><x:href>/a</x:href><x:status>HTTP/1.1 404 Not Found</x:status></x:response>"
    odd = "<x:response><x:href>/b</x:href><x:status>what</x:status></x:response>"
    assert [each.status for each in read_multistatus(answer(gone + odd)).responses] == [404, 200]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html/>",
        b'<?xml version="1.0"?><multistatus/>',
        b'<!DOCTYPE x><d:multistatus xmlns:d="DAV:"/>',
        b'<!DOCTYPE x SYSTEM "http://169.254.169.254/"><d:multistatus xmlns:d="DAV:"/>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><d:multistatus xmlns:d="DAV:">&a;</d:multistatus>',
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><d:multistatus xmlns:d="DAV:">&b;</d:multistatus>',
        answer("<x:a>" * 100 + "</x:a>" * 100),
        answer("<x:a/>" * 200_001),
        answer("<x:a>")[:-5],
        b"\xff\xfe" + "<a/>".encode("utf-16-le"),
    ],
    ids=["empty", "page", "other", "doctype", "outside", "file", "laughs", "deep", "many", "cut", "utf-16"],
)
def test_what_is_no_answer_is_as_good_as_none(body):
    with pytest.raises(UnreachableError):
        read_multistatus(body)
