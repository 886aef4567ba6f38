"""Sending through a real Postfix, and to servers that break off, lie or listen in."""

import asyncio
import base64
import itertools
import ssl
import tempfile
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bridges.mail.address import Address, read_address
from bridges.mail.outgoing import Composed
from bridges.mail.submission import RefusedError, Relay, SmtpSubmission, xtext
from tests.fakes.mailhost import HOSPITAL, PRACTICE, MailHost, needs_mailhost, until

NUMBERS = itertools.count(1)
CLAIRE, KARIM = f"claire@{PRACTICE}", f"karim@{HOSPITAL}"


def mail(*to: str, sender: str | None = CLAIRE, text: str = "bonjour", dsn: bool = False) -> Composed:
    message_id = f"<pli.{next(NUMBERS)}@{PRACTICE}>"
    raw = f"From: {sender}\r\nTo: {KARIM}\r\nMessage-ID: {message_id}\r\nSubject: x\r\n\r\n{text}\r\n.\r\n..end\r\n"
    read = read_address(sender) if sender else None
    return Composed(message_id, read, tuple(map(read_address, to or (KARIM,))), raw.encode(), asks_dsn=dsn)


@pytest.fixture(scope="module")
def host():
    with tempfile.TemporaryDirectory(prefix="mail") as folder:
        made = MailHost(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@asynccontextmanager
async def entered(host, **changes):
    given = {
        "host": "localhost",
        "port": host.port("2587"),
        "context": host.context(),
        "user": CLAIRE,
        "password": "secret",
        "name": PRACTICE,
    }
    made = SmtpSubmission(Relay(**given | changes))
    try:
        yield made
    finally:
        await made.close()


async def refusal(host, letter=None, **changes) -> RefusedError:
    async with entered(host, **changes) as way:
        with pytest.raises(RefusedError) as refused:
            await way.send(letter or mail())
    return refused.value


@needs_mailhost
async def test_mails_go_over_one_line_and_arrive_as_they_were(host):
    before, letters = len(host.mails(KARIM)), [mail() for _ in range(3)]
    async with entered(host) as way:
        for letter in letters:
            sent = await way.send(letter)
            assert "queued as" in sent.text
            assert not sent.dsn
    one_line = "mail=3 rcpt=3 data=3"
    await asyncio.to_thread(until, lambda: one_line in host.log("postfix"), "one line with three mails")
    found = await asyncio.to_thread(until, lambda: host.mails(KARIM)[before:][2:] and host.mails(KARIM), "three mails")
    bodies = {each.partition(b"\r\nFrom: ")[2] for each in found[before:]}
    assert bodies == {letter.raw.partition(b"From: ")[2] for letter in letters}


@needs_mailhost
async def test_a_delivery_report_comes_when_it_was_asked_for(host):
    letter = replace(mail(dsn=True), envelope="0f" * 16)
    async with entered(host) as way:
        assert (await way.send(letter)).dsn

    def report():
        return [each for each in host.mails(CLAIRE) if letter.message_id.strip("<>").encode() in each]

    (found,) = await asyncio.to_thread(until, report, "the report")
    assert b"Action: delivered" in found or b"Action: relayed" in found
    assert f"Original-Envelope-Id: {letter.envelope}".encode() in found
    assert b"bonjour" not in found  # RET=HDRS: the text does not travel again


@needs_mailhost
@pytest.mark.parametrize(
    ("changes", "letter", "expected"),
    [
        ({"password": "wrong"}, {}, ("temporary", 535)),
        ({"context": ssl.create_default_context()}, {}, ("temporary", 0)),
        ({"security": "tls"}, {}, ("temporary", 0)),
        ({"port": 1}, {}, ("temporary", 0)),
        ({"token": "token"}, {}, ("temporary", 0)),
        ({}, {"sender": f"karim@{PRACTICE}"}, ("permanent", 553)),
        ({}, {"text": "x" * 40_000_000}, ("permanent", 552)),
    ],
    ids=["password", "authority", "tls", "port", "token", "sender", "size"],
)
async def test_every_no_says_whether_a_repeat_helps(host, changes, letter, expected):
    if "token" in changes:

        async def token():
            return "abc"

        changes = {**changes, "token": token}
    found = await refusal(host, mail(**letter), **changes)
    assert (found.ending, found.code) == expected, found


def made_by_hand(address: Address) -> Composed:
    return Composed("<1@x.fr>", read_address(CLAIRE), (address,), b"From: a@x.fr\r\n\r\nx\r\n")


@pytest.mark.parametrize(
    ("letter", "word"),
    [
        (made_by_hand(Address("a\r\nRCPT TO:<evil@x.fr>\r\nb", "x.fr")), "bad_address"),
        (made_by_hand(Address("a> NOTIFY=NEVER <b", "x.fr")), "bad_address"),
        (made_by_hand(Address("é", "x.fr")), "bad_address"),
        (Composed("<1@x.fr>", None, (), b"x"), "no_recipient"),
        (Composed("<1@x.fr>", None, (read_address("a@x.fr"),), "é".encode()), "not_ascii"),
    ],
)
async def test_what_would_write_commands_never_reaches_a_line(letter, word):
    way = SmtpSubmission(Relay(host="localhost", port=1))
    with pytest.raises(RefusedError) as refused:
        await way.send(letter)
    assert (refused.value.permanent, refused.value.text) == (True, word)


async def test_bare_text_stays_on_this_machine():
    with pytest.raises(RefusedError, match="not_private"):
        await SmtpSubmission(Relay(host="smtp.example.org", port=25, security="none")).send(mail())


class Script:
    """A server that says what it is told: verb → answer; None breaks the line."""

    def __init__(self, answers: dict[str, bytes | None], hello: bytes = b"250-x\r\n250 AUTH PLAIN XOAUTH2\r\n") -> None:
        self.answers = {"EHLO": hello, "MAIL": b"250 ok\r\n", "RCPT": b"250 ok\r\n", "DATA": b"354 go\r\n"} | answers
        self.heard: list[str] = []
        self.port = 0

    async def serve(self, reader, writer):
        writer.write(b"220 hi\r\n")
        body = False
        try:
            while line := await reader.readline():
                text = line.decode().rstrip("\r\n")
                if body and text != ".":
                    continue
                verb = "." if body else text.split(" ", maxsplit=1)[0]
                self.heard.append(text)
                answer = self.answers.get(verb, b"250 ok\r\n")
                body = verb == "DATA" and answer is not None and answer.startswith(b"354")
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def way(self, **changes):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            made = SmtpSubmission(Relay(**{"host": "127.0.0.1", "port": port, "security": "none"} | changes))
            yield made
            await made.close()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"MAIL": b"451 4.3.0 later\r\n"}, ("temporary", 451)),
        ({"MAIL": b"550 5.7.1 never\r\n"}, ("permanent", 550)),
        ({"MAIL": None}, ("temporary", 0)),
        ({"RCPT": b"450 4.2.1 busy\r\n"}, ("temporary", 450)),
        ({"RCPT": b"550 5.1.1 unknown\r\n"}, ("permanent", 550)),
        ({"DATA": b"554 5.6.0 no\r\n"}, ("permanent", 554)),
        ({"DATA": None}, ("unknown", 0)),
        ({".": None}, ("unknown", 0)),
        ({".": b"nonsense\r\n"}, ("unknown", -1)),
        ({".": b"421 4.3.2 bye\r\n"}, ("temporary", 421)),
        ({".": b"552 5.2.2 full\r\n"}, ("permanent", 552)),
        ({"EHLO": b"500 what\r\n", "HELO": b"500 what\r\n"}, ("temporary", 500)),
    ],
    ids=str,
)
async def test_how_it_ended_is_told_apart(answers, expected):
    async with Script(answers).way() as way:
        with pytest.raises(RefusedError) as refused:
            await way.send(mail())
    found = refused.value
    assert found.ending == expected[0]
    assert expected[1] in {found.code, -1}


async def test_after_a_break_the_next_mail_gets_a_new_line():
    script = Script({".": None})
    async with script.way() as way:
        with pytest.raises(RefusedError):
            await way.send(mail())
        script.answers["."] = b"250 ok\r\n"
        await way.send(mail())
        await way.send(mail())
    assert script.heard.count(f"EHLO {way.relay.name}") == 2


async def test_one_refused_recipient_does_not_stop_the_others():
    script = Script({})
    async with script.way() as way:
        original = script.answers

        class Answers(dict):
            def get(self, verb, default=None):
                bad = verb == "RCPT" and "nobody@" in script.heard[-1]
                return b"550 5.1.1 unknown\r\n" if bad else original.get(verb, default)

        script.answers = Answers()
        sent = await way.send(mail("a@x.fr", "nobody@x.fr"))
    assert [(str(address), code) for address, code, _ in sent.refused] == [("nobody@x.fr", 550)]
    assert "DATA" in script.heard


async def test_a_token_is_fetched_for_each_line_and_never_kept():
    tokens, script = iter(["one", "two"]), Script({"AUTH": b"235 ok\r\n"})

    async def token():
        return next(tokens)

    async with script.way(user=CLAIRE, token=token) as way:
        await way.send(mail())
        await way.close()
        await way.send(mail())
        assert "two" not in repr(way)
    said = [base64.b64decode(line.split()[2]).decode() for line in script.heard if line.startswith("AUTH XOAUTH2")]
    assert said == [f"user={CLAIRE}\x01auth=Bearer {each}\x01\x01" for each in ("one", "two")]


async def test_a_server_without_starttls_hears_no_password():
    script = Script({})
    async with script.way(security="starttls", user=CLAIRE, password="secret") as way:
        with pytest.raises(RefusedError, match="not_private"):
            await way.send(mail())
    assert not [line for line in script.heard if "AUTH" in line]


async def test_a_server_that_never_answers_costs_a_bounded_time(monkeypatch):
    monkeypatch.setattr("bridges.mail.submission.WHOLE", 0.3)
    async with Script({"RCPT": b""}).way() as way:
        with pytest.raises(RefusedError) as refused:
            await asyncio.wait_for(way.send(mail()), 20)
    assert refused.value.ending == "unknown"


def test_xtext():
    assert xtext("a+b=c é@x".replace("é", "")) == "a+2Bb+3Dc+20@x"
