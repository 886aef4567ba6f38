"""Certificates on both sides of a real Dovecot: taken back, expired, unknown; and what we show to prove who we are."""

import asyncio
import contextlib
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from bridges.mail.advice import advice
from bridges.mail.config import Box, Login, Server
from bridges.mail.delivering import Submitting, probe
from bridges.mail.imap import ImapError
from bridges.mail.mailbox import EntryError, entered
from bridges.mail.revocation import GRACE, Revocation, places_of, read_list
from bridges.mail.submission import RefusedError
from bridges.mail.ways import Ways
from tests.fakes.dovecot import needs_dovecot, running_dovecot
from tests.fakes.mail_bridge import soon
from tests.fakes.mailhost import HOSPITAL, MailHost, needs_mailhost, until
from tests.fakes.mailhost_papers import issue, revoked
from tests.integration.test_mail_submission import mail as letter

AUTHORITY = issue("AC TEST", "IGC")
KARIM = f"karim@{HOSPITAL}"
PLACE = "http://crl.example/list.crl"


class Lists:
    """An authority's web server; it answers with what `octets` is, or with nothing."""

    def __init__(self) -> None:
        self.octets: bytes | None = None
        self.asked = 0
        self.place = ""

    def publish(self, *papers, **dates) -> None:
        self.octets = revoked(AUTHORITY, *papers, **dates).public_bytes(Encoding.DER)

    async def _answer(self, request):
        self.asked += 1
        return web.Response(status=503) if self.octets is None else web.Response(body=self.octets)

    @contextlib.asynccontextmanager
    async def served(self):
        app = web.Application()
        app.router.add_get("/list.crl", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.place = f"http://127.0.0.1:{site.port}/list.crl"
        try:
            yield self
        finally:
            await runner.cleanup()


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return datetime.now(tz=UTC).timestamp() + self.ahead


def box_of(dovecot, tmp_path, **more) -> Box:
    secret = tmp_path / "password"
    secret.write_text("secret")
    secret.chmod(0o600)
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    login = Login(user="dr", password_file=secret)
    given = {"login": login, "host": "localhost", "port": dovecot.port, "security": "starttls"} | more
    server = Server(**given, ca_file=tmp_path / "ca.pem")
    return Box(name="dr", address="dr@cabinet.mssante.fr", owner="Cabinet", imap=server)


async def why_not(box: Box, ways: Ways) -> str:
    """Give the reason for which a box is not entered, or nothing."""
    try:
        async with entered(box, ways) as (imap, server):
            await imap.select(server.folder)
    except (EntryError, ImapError) as error:
        return str(error)
    return ""


@needs_dovecot
async def test_a_server_whose_certificate_was_taken_back_is_shown_nothing(tmp_path):
    async with Lists().served() as lists:
        paper = issue("localhost", "Operator", AUTHORITY, hosts=("localhost",), lists=lists.place)
        clock, folder = Clock(), tmp_path / "revoked"
        with running_dovecot(paper=paper) as dovecot:
            box, ways = box_of(dovecot, tmp_path), Ways(revocation=Revocation(folder, clock=clock))
            assert await why_not(box, ways) == "revocation_unknown"  # nobody can say: nothing is shown
            assert "method=PLAIN" not in secure_logins(dovecot)
            lists.publish()
            clock.ahead += 600
            assert await why_not(box, ways) == ""
            assert await why_not(box, ways) == ""
            assert lists.asked == 2  # a good list serves for an hour
            lists.octets = None  # the place is away: the last good list counts, in another process too
            clock.ahead += 7200
            assert await why_not(box, ways) == ""
            assert await why_not(box, Ways(revocation=Revocation(folder, clock=clock))) == ""
            assert (
                await why_not(box, Ways(revocation=Revocation(tmp_path / "none", clock=clock))) == "revocation_unknown"
            )
            before = await signed_in(dovecot, 4)
            lists.publish(paper, begun=timedelta(minutes=1))
            clock.ahead += 7200
            assert await why_not(box, ways) == "certificate_revoked"
            assert "operator" in advice("certificate_revoked") or "opérateur" in advice("certificate_revoked")
            assert secure_logins(dovecot) == before  # the password was never shown
            lists.publish(begun=timedelta(hours=3))  # an older list, from before: nobody is fooled
            clock.ahead += 7200
            assert await why_not(box, ways) == "certificate_revoked"
            off = box_of(dovecot, tmp_path, revocation="off")
            assert await why_not(off, ways) == ""


async def signed_in(dovecot, count: int) -> str:
    """Wait until so many sign-ins stand in Dovecot's log, which a process of its own writes after the client was let in."""
    await soon(lambda: secure_logins(dovecot).count("Login: user=") >= count, f"{count} sign-ins in the log")
    return secure_logins(dovecot)


def secure_logins(dovecot) -> str:
    """What Dovecot saw of sign-ins inside of TLS (looks from outside come in bare)."""
    log = (dovecot.folder / "log").read_text()
    return "\n".join(line for line in log.splitlines() if "imap-login: Info: Login" in line and "TLS" in line)


@needs_dovecot
async def test_a_connection_that_stands_ends_when_the_certificate_is_taken_back(tmp_path):
    async with Lists().served() as lists:
        paper = issue("localhost", "Operator", AUTHORITY, hosts=("localhost",), lists=lists.place)
        clock = Clock()
        lists.publish()
        with running_dovecot(paper=paper) as dovecot:
            box, ways = box_of(dovecot, tmp_path), Ways(revocation=Revocation(clock=clock))
            async with entered(box, ways) as (imap, server):
                await ways.still_open(server, imap.tls)
                lists.publish(paper, begun=timedelta(minutes=1))
                clock.ahead += 7200
                with pytest.raises(Exception, match="certificate_revoked"):
                    await ways.still_open(server, imap.tls)


@needs_dovecot
async def test_the_last_good_list_does_not_count_for_ever(tmp_path):
    async with Lists().served() as lists:
        paper = issue("localhost", "Operator", AUTHORITY, hosts=("localhost",), lists=lists.place)
        clock = Clock()
        lists.publish(ends=timedelta(hours=2))
        with running_dovecot(paper=paper) as dovecot:
            box, ways = box_of(dovecot, tmp_path), Ways(revocation=Revocation(clock=clock))
            assert await why_not(box, ways) == ""
            lists.octets = None
            clock.ahead = GRACE
            assert await why_not(box, ways) == ""
            clock.ahead = GRACE + 3 * 3600
            assert await why_not(box, ways) == "revocation_unknown"


@needs_dovecot
async def test_what_is_wrong_with_a_certificate_is_said(tmp_path):
    papers = {
        "certificate_expired": issue("localhost", "X", AUTHORITY, hosts=("localhost",), ends=-timedelta(days=1)),
        "certificate_other_name": issue("other", "X", AUTHORITY, hosts=("other.example",)),
        "certificate_not_trusted": issue("localhost", "X", issue("AC AUTRE", "X"), hosts=("localhost",)),
    }
    for reason, paper in papers.items():
        with running_dovecot(paper=paper) as dovecot:
            assert await why_not(box_of(dovecot, tmp_path), Ways()) == reason
            assert advice(f"lost: {reason}")
    silent = issue("localhost", "X", AUTHORITY, hosts=("localhost",))
    with running_dovecot(paper=silent) as dovecot:
        assert await why_not(box_of(dovecot, tmp_path), Ways()) == ""
        required = box_of(dovecot, tmp_path, revocation="required")
        assert await why_not(required, Ways()) == "revocation_unknown"  # it names no list


@pytest.mark.parametrize(
    ("wrong", "made"),
    [
        ("of another authority", lambda: revoked(issue("AC AUTRE", "X"))),
        ("under the name of the authority", lambda: revoked(issue("AC TEST", "IGC"))),
        ("from tomorrow", lambda: revoked(AUTHORITY, begun=-timedelta(days=1))),
    ],
)
def test_lists_that_do_not_count(wrong, made):
    now = datetime.now(tz=UTC).timestamp()
    assert read_list(made().public_bytes(Encoding.DER), AUTHORITY.certificate, PLACE, now) is None, wrong


def test_a_list_counts_in_both_forms_and_junk_does_not():
    now, good = datetime.now(tz=UTC).timestamp(), revoked(AUTHORITY)
    for form in (Encoding.DER, Encoding.PEM):
        assert read_list(good.public_bytes(form), AUTHORITY.certificate, PLACE, now) is not None
    whole = good.public_bytes(Encoding.DER)
    for junk in (b"", b"<html>", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", whole[:-7], whole[:40] * 9):
        assert read_list(junk, AUTHORITY.certificate, PLACE, now) is None
    assert places_of(issue("a", "X", AUTHORITY, lists=PLACE).certificate) == [PLACE]
    assert places_of(issue("a", "X", AUTHORITY, lists="ldap://crl.example/x").certificate) == []
    assert places_of(issue("a", "X", AUTHORITY).certificate) == []


# --- the certificate that we show -------------------------------------------------------------------------------------

ASKS_FOR_ONE = """
ssl_ca = <{folder}/asked.pem
ssl_verify_client_cert = yes
auth_ssl_require_client_cert = yes
auth_ssl_username_from_cert = yes
passdb {
  driver = static
  mechanisms = external
  args = nopassword
}
"""


def shown(paper, tmp_path, name: str) -> Login:
    certificate, key = paper.write(tmp_path / "papers", name)
    return Login(certificate_file=certificate, key_file=key)


@needs_dovecot
async def test_a_client_certificate_opens_the_box_until_it_is_taken_back(tmp_path):
    ours, lost = issue("dr", "Cabinet", AUTHORITY), issue("dr", "Cabinet", AUTHORITY)
    stranger = issue("dr", "Cabinet", issue("AC AUTRE", "X"))
    server = issue("localhost", "Operator", AUTHORITY, hosts=("localhost",))
    asked = tmp_path / "asked.pem"
    asked.write_bytes(AUTHORITY.pem + revoked(AUTHORITY, lost).public_bytes(Encoding.PEM))
    more = ASKS_FOR_ONE.replace("{folder}/asked.pem", str(asked))
    tmp_path.chmod(0o755)
    with running_dovecot(mechanisms="plain external", paper=server, more=more) as dovecot:

        async def entering(login: Login) -> str:
            return await why_not(box_of(dovecot, tmp_path, login=login), Ways())

        assert await entering(shown(ours, tmp_path, "ours")) == ""
        assert "method=EXTERNAL" in await signed_in(dovecot, 1)
        for paper, name in ((lost, "lost"), (stranger, "stranger")):
            reason = await entering(shown(paper, tmp_path, name))
            assert reason.rpartition(" ")[2] in {"credentials_refused", "certificate_refused"}, (name, reason)
            assert advice(reason)
        secret = tmp_path / "password"
        assert (
            await entering(Login(user="dr", password_file=secret)) == "credentials_refused"
        )  # a password is not enough
        assert secure_logins(dovecot).count("Login: user=") == 1


@pytest.fixture(scope="module")
def host():
    """The mail host of docs/operate/mail.md whose submission port asks for a certificate instead of a password.

    Not below pytest's own folder: each pytest that starts closes that one to everybody but root.
    """
    with tempfile.TemporaryDirectory(prefix="certificates") as folder:
        made = MailHost(Path(folder))
        master = made.folder / "etc" / "postfix" / "master.cf"
        asks = f"  -o smtpd_tls_req_ccert=yes\n  -o smtpd_tls_CAfile={made.folder}/etc/authority.pem\n"
        text = master.read_text().replace("  -o smtpd_sasl_auth_enable=yes\n", asks)
        text = text.replace("reject_sender_login_mismatch, permit_sasl_authenticated", "permit_tls_all_clientcerts")
        master.write_text(text.replace("permit_sasl_authenticated", "permit_tls_all_clientcerts"))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@needs_mailhost
async def test_postfix_takes_the_certificate_of_the_space_and_nobody_elses(host, tmp_path):
    def box(login: Login) -> Box:
        ca = host.folder / "etc" / "authority.pem"
        smtp = Server(host="localhost", port=host.port("2587"), security="starttls", ca_file=ca, login=login)
        return Box(name="dr", address="claire@practice.example", owner="Cabinet", smtp=smtp)

    before = len(host.mails(KARIM))
    way = Submitting(box(shown(host.hospital, tmp_path, "ours")), Ways())
    await way.send(letter())
    await way.close()
    await asyncio.to_thread(until, lambda: len(host.mails(KARIM)) == before + 1, "the mail")
    outsider = host.outsider
    with pytest.raises(RefusedError) as refused:
        await probe(box(shown(outsider, tmp_path, "outsider")), Ways())
    assert (refused.value.ending, refused.value.code) == ("temporary", 421)
    assert advice(refused.value.text)


async def test_the_reason_of_a_list_that_hangs_comes_in_bounded_time(monkeypatch, tmp_path):
    monkeypatch.setattr("bridges.mail.revocation._PATIENCE", 0.3)
    hang = asyncio.Event()

    async def serve(reader, writer):
        await hang.wait()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        place = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/list.crl"
        revocation = Revocation()
        paper = issue("localhost", "X", AUTHORITY, lists=place)
        checking = revocation._check(paper.certificate, AUTHORITY.certificate, required=False)
        with pytest.raises(Exception, match="revocation_unknown"):
            await asyncio.wait_for(checking, 20)
        hang.set()
