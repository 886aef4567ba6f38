"""Signing in at a real Dovecot and a real Postfix with tokens of a real OpenID Connect provider.

Dovecot asks the provider about each token (RFC 7662); refresh tokens turn, and one shown twice ends the whole session.
"""

import asyncio
import contextlib
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridges.mail.advice import advice
from bridges.mail.config import Box, Login, Refresh, Server
from bridges.mail.delivering import Delivery, Submitting, probe
from bridges.mail.inbox import Inbox
from bridges.mail.intake import Folder
from bridges.mail.life import Lives
from bridges.mail.mailbox import Mailbox, entered
from bridges.mail.outgoing import Outgoing
from bridges.mail.state import State
from bridges.mail.submission import RefusedError
from bridges.mail.tokens import CredentialsError, Tokens
from bridges.mail.ways import Ways
from tests.fakes.dovecot import needs_dovecot, running_dovecot
from tests.fakes.mail_bridge import mail, soon
from tests.fakes.mailhost import HOSPITAL, PRACTICE, MailHost, needs_mailhost, until
from tests.fakes.oidc import CLIENT, SECRET, needs_oidc, oidc_provider, revoke, sign_in
from tests.integration.test_mail_submission import mail as letter

SECONDS = 4  # an access token's life
DR, CLAIRE, KARIM = "dr@cabinet.mssante.fr", f"claire@{PRACTICE}", f"karim@{HOSPITAL}"
ASKS = """
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}
"""
# After a refusal Dovecot has the next who comes from there wait for 2 s, then 4, 8 …: a token of 4 s ends meanwhile, and
# a test behind one that is refused was refused too.
AT_ONCE = """
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""


def asks(issuer: str) -> str:
    """How Dovecot asks the provider whether a token counts, and whose it is."""
    return (
        "introspection_mode = post\nforce_introspection = yes\nusername_attribute = username\n"
        f"introspection_url = {issuer.replace('//', '//dovecot:secret@')}/token/introspection\n"
        "active_attribute = active\nactive_value = true\n"
    )


@contextlib.contextmanager
def mailboxes(issuer: str, mechanisms: str):
    """A Dovecot that takes tokens of the provider, and passwords for whoever looks from outside."""
    with tempfile.TemporaryDirectory(prefix="oauth2") as folder:
        path = Path(folder)
        path.chmod(0o755)
        (path / "oauth2.conf").write_text(asks(issuer))
        more = ASKS.replace("{folder}", folder)
        with running_dovecot(mechanisms=f"plain {mechanisms}", more=more) as dovecot:
            yield dovecot


@dataclass
class Person:
    """Somebody who signed in once, and the files that this left."""

    folder: Path
    issuer: str

    @property
    def file(self) -> Path:
        return self.folder / "refresh"

    @property
    def login(self) -> Refresh:
        return Refresh(f"{self.issuer}/token", CLIENT, self.file, self.folder / "client")

    async def signs_in(self, user: str) -> None:
        for path, text in ((self.file, await sign_in(self.issuer, user)), (self.folder / "client", SECRET)):
            path.write_text(text)
            path.chmod(0o600)

    def server(self, dovecot, user: str = DR) -> Server:
        ca = dovecot.folder / "cert.pem"
        login = Login(user=user, refresh=self.login)
        return Server(host="localhost", port=dovecot.port, security="starttls", ca_file=ca, login=login)


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path / "s.db", seal=bytes, unseal=bytes)
    yield made
    made.close()


@contextlib.asynccontextmanager
async def running(task):
    made = asyncio.create_task(task)
    try:
        yield
    finally:
        made.cancel()
        await asyncio.gather(made, return_exceptions=True)


def lives_of(state, box="dr"):
    return next((each for each in Lives(state).all() if each.box == box), None)


def tokens_of(ways: Ways) -> set[str]:
    return {each.text for each in ways.tokens._held.values()}


@needs_dovecot
@needs_oidc
@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
async def test_a_session_lives_as_long_as_the_provider_says(state, tmp_path, mechanism, caplog):
    caplog.set_level(logging.DEBUG)
    with oidc_provider(SECONDS) as issuer, mailboxes(issuer, mechanism) as dovecot:
        person = Person(tmp_path, issuer)
        await person.signs_in(DR)
        first, ways, shown = person.file.read_text(), Ways(), set()
        box = Box(name="dr", address=DR, owner="Cabinet", imap=person.server(dovecot))
        inbox = Inbox(state)
        mailbox = Mailbox(box, Folder("dr", inbox), Lives(state), 0.1, lambda: None, ways)
        async with running(mailbox.run()):
            await asyncio.to_thread(dovecot.put, mail(), user=DR)
            await soon(lambda: inbox.counts("dr") == {"taken": 1}, "a mail by token")
            for _ in range(2):  # the token ends in mid-session, is renewed, and the refresh token turns
                before, held = person.file.read_text(), tokens_of(ways)
                shown |= held
                await soon(lambda before=before: person.file.read_text() != before, "a new refresh token")
                await soon(lambda held=held: tokens_of(ways) - held, "a new token")
            shown |= tokens_of(ways)
            await asyncio.to_thread(dovecot.put, mail(number=2), user=DR)
            await soon(lambda: inbox.counts("dr") == {"taken": 2}, "a mail after the first token's end")
            await revoke(issuer, person.file.read_text())
            ended = await soon(lambda: lives_of(state).condition == "refused" and lives_of(state), "the end")
            assert ended.reason == "sign_in_again"
            assert "refresh_token_file" in advice(ended.reason)
            assert tokens_of(ways) == set()
            log = (dovecot.folder / "log").read_text()
            assert log.count(f"imap-login: Info: Login: user=<{DR}>, method={mechanism.upper()}") == 1, log
            logged_out = f"imap({DR})<"
            await soon(
                lambda: any(logged_out in line and "Logged out" in line for line in _log(dovecot)),
                "the session has ended",
            )
        assert person.file.read_text() != first
        assert len(shown) >= 3
        kept = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
        for token in shown:  # neither on our disk nor in our log
            assert token.encode() not in kept
            assert token not in caplog.text


def _log(dovecot) -> list[str]:
    return (dovecot.folder / "log").read_text().splitlines()


@needs_dovecot
@needs_oidc
async def test_a_token_of_somebody_else_opens_no_box_and_closes_none_for_a_quarter_of_an_hour(tmp_path):
    with oidc_provider(60) as issuer, mailboxes(issuer, "xoauth2") as dovecot:
        person = Person(tmp_path, issuer)
        await person.signs_in("somebody@else.mssante.fr")
        box, ways = Box(name="dr", address=DR, owner="Cabinet", imap=person.server(dovecot)), Ways()
        with pytest.raises(Exception, match="credentials_refused") as refused:
            async with entered(box, ways):
                pass
        assert not refused.value.lasting
        assert tokens_of(ways) == set()  # the next try shows a fresh one


@needs_oidc
async def test_two_who_need_a_token_at_once_show_the_refresh_token_once(tmp_path):
    """IMAP and SMTP of one box, and `doctor` beside them: a turned token shown twice would end the session."""
    with oidc_provider(60) as issuer:
        person = Person(tmp_path, issuer)
        await person.signs_in(DR)
        here, doctor = Tokens(), Tokens()
        asked = [here.fetch(person.login), here.fetch(person.login), doctor.fetch(person.login)]
        one, same, other = await asyncio.gather(*asked)
        assert one == same != other
        here.forget(person.login)
        assert await here.fetch(person.login) not in {one, other}  # the session lives
        old = person.file.read_text()
        await doctor.fetch(person.login)
        doctor.forget(person.login)
        await doctor.fetch(person.login)
        person.file.write_text(old)  # somebody put a backup back
        here.forget(person.login)
        with pytest.raises(CredentialsError, match="sign_in_again") as ended:
            await here.fetch(person.login)
        assert ended.value.refused


@needs_oidc
@pytest.mark.parametrize(("life", "shown"), [(60, 54.0), (8, 5.0)])
async def test_a_token_is_not_shown_in_its_last_seconds(tmp_path, life, shown):
    """The provider counts whole seconds: what is told as 8 may be a little over 7."""
    now = [1000.0]
    with oidc_provider(life) as issuer:
        person = Person(tmp_path, issuer)
        await person.signs_in(DR)
        tokens = Tokens(lambda: now[0])
        first = await tokens.fetch(person.login)
        now[0] = 1000 + shown - 0.01
        assert await tokens.fetch(person.login) == first
        now[0] = 1000 + shown
        assert await tokens.fetch(person.login) != first


@pytest.fixture(scope="module")
def host():
    """The mail host of docs/operate/mail.md whose Dovecot also takes tokens, for Postfix too."""
    with tempfile.TemporaryDirectory(prefix="mail") as folder, oidc_provider(SECONDS) as issuer:
        made = MailHost(Path(folder))
        etc = made.folder / "etc"
        (etc / "oauth2.conf").write_text(asks(issuer))
        path = etc / "dovecot.conf"
        mechanisms = path.read_text().replace("auth_mechanisms = plain", "auth_mechanisms = plain xoauth2 oauthbearer")
        path.write_text(mechanisms + ASKS.replace("{folder}", str(etc)) + AT_ONCE)
        made.issuer = issuer
        try:
            made.start()
            yield made
        finally:
            made.stop()


def postfix_of(host, person: Person) -> Box:
    ca = host.folder / "etc" / "authority.pem"
    login = Login(user=CLAIRE, refresh=person.login)
    smtp = Server(host="localhost", port=host.port("2587"), security="starttls", ca_file=ca, login=login)
    return Box(name="dr", address=CLAIRE, owner="Cabinet", smtp=smtp)


@needs_mailhost
@needs_oidc
@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
async def test_mail_leaves_through_postfix_by_token_and_waits_when_the_session_ends(
    host, state, tmp_path, mechanism, monkeypatch
):
    if mechanism == "oauthbearer":  # a server that offers only the standard's way
        monkeypatch.setattr("bridges.mail.submission._methods", lambda _: {"oauthbearer"})
    person = Person(tmp_path, host.issuer)
    await person.signs_in(CLAIRE)
    box, ways, outgoing = postfix_of(host, person), Ways(), Outgoing(state)
    assert await probe(box, ways) == f"localhost:{host.port('2587')} starttls"
    grew, before = asyncio.Event(), len(host.mails(KARIM))
    async with running(Delivery(box, outgoing, Submitting(box, ways), Lives(state), grew).run()):
        for number in range(2):
            outgoing.add("dr", letter())
            grew.set()
            await asyncio.to_thread(until, lambda n=number: len(host.mails(KARIM)) == before + n + 1, "a mail")
            ways.tokens.forget(person.login)
        await revoke(host.issuer, person.file.read_text())
        outgoing.add("dr", letter())
        grew.set()
        ended = await soon(lambda: lives_of(state).condition == "refused" and lives_of(state), "the end")
        assert ended.reason == "sign_in_again"
        assert outgoing.counts("dr") == {"sent": 2, "queued": 1}  # it waits, nothing is lost
    assert f"sasl_method={mechanism.upper()}, sasl_username={CLAIRE}" in host.log("postfix")


@needs_mailhost
@needs_oidc
async def test_a_token_of_somebody_else_sends_nothing(host, tmp_path):
    person = Person(tmp_path, host.issuer)
    await person.signs_in(KARIM)
    with pytest.raises(RefusedError, match="credentials_refused") as refused:
        await probe(postfix_of(host, person), Ways())
    assert (refused.value.ending, refused.value.code) == ("temporary", 535)
