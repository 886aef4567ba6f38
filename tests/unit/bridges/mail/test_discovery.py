"""Where the servers of a mailbox are: what the DNS says, and what it is not believed."""

import pytest

from bridges.mail.address import read_address
from bridges.mail.config import Login, Server
from bridges.mail.discovery import MOST, DiscoveryError, Target, find, in_order

ADDRESS = read_address("dr@cabinet.mssante.fr")
UNKNOWN = Server(login=Login(user="dr"))


def dns(records):
    async def ask(name):
        return [Target(*each) for each in records.get(name, ())]

    return ask


async def test_tls_at_once_is_preferred_and_the_lowest_priority_counts():
    records = {
        "_imap._tcp.cabinet.mssante.fr": [(0, 1, 143, "imap.mssante.fr")],
        "_imaps._tcp.cabinet.mssante.fr": [
            (20, 1, 993, "slow.cabinet.mssante.fr"),
            (10, 1, 993, "light.cabinet.mssante.fr"),
            (1, 5, 9993, "imap.cabinet.mssante.fr"),
        ],
    }
    found, *others = await find(UNKNOWN, ADDRESS, "imap", dns(records))
    assert [each.host for each in others] == ["light.cabinet.mssante.fr", "slow.cabinet.mssante.fr"]
    assert (found.host, found.port, found.security) == ("imap.cabinet.mssante.fr", 9993, "tls")


async def test_a_service_that_is_not_offered_leaves_the_other():
    records = {
        "_submissions._tcp.cabinet.mssante.fr": [(0, 0, 0, ".")],
        "_submission._tcp.cabinet.mssante.fr": [(0, 0, 587, "smtp.cabinet.mssante.fr")],
    }
    (found,) = await find(UNKNOWN, ADDRESS, "smtp", dns(records))
    assert (found.host, found.port, found.security) == ("smtp.cabinet.mssante.fr", 587, "starttls")


@pytest.mark.parametrize("host", ["imap.evil.example", "cabinet.mssante.fr.evil.example", "xcabinet.mssante.fr"])
async def test_a_forged_answer_does_not_lead_a_password_elsewhere(host):
    with pytest.raises(DiscoveryError, match="is not of"):
        await find(UNKNOWN, ADDRESS, "imap", dns({"_imaps._tcp.cabinet.mssante.fr": [(0, 0, 993, host)]}))


async def test_nothing_found_is_said():
    with pytest.raises(DiscoveryError, match="no SRV record"):
        await find(UNKNOWN, ADDRESS, "imap", dns({}))


async def test_a_host_that_is_written_down_is_not_looked_up():
    written = Server(host="imap.elsewhere.example", security="starttls", login=Login(user="dr"))
    (found,) = await find(written, ADDRESS, "imap", dns({}))
    assert (found.host, found.port) == ("imap.elsewhere.example", 143)


async def test_a_forged_target_among_others_is_left_out_and_five_are_enough():
    records = [(0, 0, 993, "imap.evil.example"), *((n, 0, 993, f"i{n}.cabinet.mssante.fr") for n in range(1, 9))]
    found = await find(UNKNOWN, ADDRESS, "imap", dns({"_imaps._tcp.cabinet.mssante.fr": records}))
    assert [each.host for each in found] == [f"i{n}.cabinet.mssante.fr" for n in range(1, MOST + 1)]


def test_the_share_of_a_target_is_its_weight():
    targets = [Target(0, 3, 1, "big"), Target(0, 1, 1, "small")]
    first = [in_order(targets, lambda most, n=n: n % most)[0].host for n in range(500)]
    assert first.count("big") == 300  # the points 2 to 4 of 0 to 4 (RFC 2782)


def test_each_target_is_tried_once_whatever_is_drawn():
    targets = [Target(1, weight, 1, name) for weight, name in ((0, "a"), (0, "b"), (7, "c"), (2, "d"))]
    for draw in (lambda most: 0, lambda most: most - 1, lambda most: most // 2, lambda most: 1 % most):
        assert sorted(each.host for each in in_order([*targets, Target(0, 0, 1, "first")], draw)) == [*"abcd", "first"]


async def test_names_of_hosts_do_not_differ_by_case():
    records = {"_imaps._tcp.cabinet.mssante.fr": [(0, 0, 993, "IMAP.Cabinet.MSSante.fr.")]}
    assert [each.port for each in await find(UNKNOWN, ADDRESS, "imap", dns(records))] == [993]


@pytest.mark.parametrize(
    ("draws", "order"),
    [
        ((0, 0, 0), "zab"),  # a weight of nothing is reached by the point 0 alone
        ((1, 0, 0), "azb"),
        ((3, 0, 0), "bza"),
        ((2, 1, 0), "baz"),
    ],
)
def test_a_point_falls_to_the_first_whose_running_sum_reaches_it(draws, order):
    left = list(draws)
    targets = [Target(0, 2, 1, "b"), Target(0, 1, 1, "a"), Target(0, 0, 1, "z")]
    assert "".join(each.host for each in in_order(targets, lambda most: left.pop(0))) == order
