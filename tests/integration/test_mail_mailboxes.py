"""How mailboxes are entered and kept: broken ones, silent ones, tokens, a server that goes away."""

import asyncio
import contextlib
import sys

import pytest
from aiohttp import web

from bridges.mail import imap as imap_module
from bridges.mail.config import Box, Login, Refresh, Server
from bridges.mail.credentials import read_credentials
from bridges.mail.imap import ImapError
from bridges.mail.inbox import Inbox
from bridges.mail.intake import Folder
from bridges.mail.life import Lives
from bridges.mail.mailbox import Mailbox, entered
from bridges.mail.state import State
from bridges.mail.tokens import CredentialsError, Tokens
from bridges.mail.ways import Ways
from tests.fakes.dovecot import needs_dovecot, running_dovecot
from tests.fakes.mail_bridge import mail, soon


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path / "s.db", seal=bytes, unseal=bytes)
    yield made
    made.close()


def secret_file(tmp_path, text="secret"):
    path = tmp_path / "password"
    path.write_text(text)
    path.chmod(0o600)
    return path


def box_at(name, server):
    return Box(name=name, address="dr@cabinet.mssante.fr", owner="Cabinet", imap=server)


@contextlib.asynccontextmanager
async def kept(boxes, state):
    """Keep mailboxes on this loop until the block ends."""
    lives, inbox = Lives(state), Inbox(state)
    made = [Mailbox(box, Folder(box.name, inbox), lives, 0.1, lambda: None, Ways()) for box in boxes]
    tasks = [asyncio.create_task(each.run()) for each in made]
    try:
        yield lives, inbox
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def condition(lives, box):
    return next((each for each in lives.all() if each.box == box), None)


@needs_dovecot
async def test_one_broken_mailbox_stops_no_other_and_says_why(state, tmp_path):
    with running_dovecot() as dovecot:
        good = Server(
            host="localhost",
            port=dovecot.port,
            security="starttls",
            ca_file=dovecot.folder / "cert.pem",
            login=Login(user="dr", password_file=secret_file(tmp_path)),
        )
        wrong = tmp_path / "wrong"
        wrong.write_text("wrong")
        wrong.chmod(0o600)
        login = Login(user="dr", password_file=wrong)
        boxes = [
            box_at("refused", Server(**{**as_dict(good), "login": login})),
            box_at("away", Server(**{**as_dict(good), "port": 1})),
            box_at("unread", Server(**{**as_dict(good), "login": Login(user="dr", password_file=tmp_path / "none")})),
            box_at("good", good),
        ]
        async with kept(boxes, state) as (lives, inbox):
            dovecot.put(mail())
            await soon(lambda: inbox.counts("good") == {"taken": 1}, "the good box")
            refused = await soon(lambda: condition(lives, "refused").next_at and condition(lives, "refused"), "refused")
            assert (refused.condition, refused.reason) == ("refused", "credentials_refused")
            assert refused.next_at - refused.since > 400  # too many wrong passwords close a mailbox
            away = await soon(lambda: condition(lives, "away").tries > 0 and condition(lives, "away"), "away")
            assert (away.condition, away.reason) == ("retrying", "lost: ConnectionRefusedError")
            unread = await soon(lambda: condition(lives, "unread").next_at and condition(lives, "unread"), "unread")
            assert unread.reason.startswith("file_unreadable")
            await soon(lambda: condition(lives, "good").condition == "idle", "idle")
            await asyncio.to_thread(dovecot.stop)
            await soon(lambda: condition(lives, "good").condition == "retrying", "the server is away")
            await asyncio.to_thread(dovecot.start)
            dovecot.put(mail(number=2))
            await soon(lambda: inbox.counts("good") == {"taken": 2}, "the server is back")


def as_dict(server):
    return {name: getattr(server, name) for name in server.__struct_fields__}


async def test_a_server_that_falls_silent_while_we_wait_is_left(monkeypatch, tmp_path):
    async def serve(reader, writer):
        writer.write(b"* OK hi\r\n")
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                tag = line.split()[0]
                if b"AUTHENTICATE" in line:
                    writer.write(b"+ \r\n")
                    await reader.readline()
                    writer.write(tag + b" OK\r\n")
                elif b"IDLE" in line:
                    writer.write(b"+ idling\r\n")
                    await reader.read()  # hears DONE, says nothing more
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        login = Login(user="dr", password_file=secret_file(tmp_path))
        box = box_at("x", Server(host="127.0.0.1", port=port, security="none", login=login))
        async with entered(box, Ways()) as (imap, _):
            monkeypatch.setattr(imap_module, "TIMEOUT", 0.3)
            with pytest.raises(ImapError) as lost:
                await asyncio.wait_for(imap.idle(0.1), 10)
            assert lost.value.code == "lost"


async def test_a_token_command_gives_its_first_line_and_learns_nothing_of_us(monkeypatch):
    monkeypatch.setenv("PLI_PASSPHRASE", "hunter2")
    script = "import os, sys; print('t:' + os.environ.get('PLI_PASSPHRASE', 'none')); print('more')"
    secret = await read_credentials(Login(user="dr", token_command=[sys.executable, "-c", script]), Tokens())
    assert (secret.kind, secret.text) == ("token", "t:none")
    assert "t:none" not in repr(secret)
    with pytest.raises(CredentialsError):
        await read_credentials(Login(user="dr", token_command=["/bin/false"]), Tokens())
    with pytest.raises(CredentialsError):
        await read_credentials(Login(user="dr", token_command=["/does/not/exist"]), Tokens())


@contextlib.asynccontextmanager
async def provider(answer):
    """A token endpoint."""
    asked = []

    async def token(request):
        asked.append(dict(await request.post()))
        return answer(asked[-1])

    app = web.Application()
    app.router.add_post("/token", token)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site.port}/token", asked
    finally:
        await runner.cleanup()


async def test_a_token_is_refreshed_and_a_new_refresh_token_is_kept(tmp_path):
    path = secret_file(tmp_path, "old")
    granted = {"access_token": "fresh", "refresh_token": "new", "expires_in": 60}
    async with provider(lambda _: web.json_response(granted)) as (url, asked):
        login = Login(user="dr", refresh=Refresh(url, "client", path))
        assert (await read_credentials(login, Tokens())).text == "fresh"
        assert asked[0] == {"grant_type": "refresh_token", "refresh_token": "old", "client_id": "client"}
        assert path.read_text() == "new"
        assert path.stat().st_mode & 0o777 == 0o600
        await read_credentials(login, Tokens())
        assert asked[1]["refresh_token"] == "new"
    everything = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert b"fresh" not in everything  # an access token is kept nowhere


async def test_a_refused_refresh_token_ends_the_tries(tmp_path):
    async with provider(lambda _: web.json_response({"error": "invalid_grant"}, status=400)) as (url, _):
        with pytest.raises(CredentialsError) as refused:
            await read_credentials(Login(user="dr", refresh=Refresh(url, "client", secret_file(tmp_path))), Tokens())
        assert refused.value.refused
    elsewhere = Refresh("http://login.example/token", "client", secret_file(tmp_path))
    with pytest.raises(CredentialsError) as bare:
        await read_credentials(Login(user="dr", refresh=elsewhere), Tokens())
    assert bare.value.refused
