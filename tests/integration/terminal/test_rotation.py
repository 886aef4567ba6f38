"""New keys, by the kit against a real server: after 5,000 messages, 90 days, a lost device, a removed member."""

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from bridges.kit import accounts, claims, conversations, holders, messages
from bridges.kit.beginning import Beginning
from bridges.kit.client import client
from bridges.kit.conversations import Conversations
from bridges.kit.errors import RefusedError
from bridges.kit.home import STORE, Home
from bridges.kit.messages import Draft
from bridges.kit.wire import to_text
from crypto import envelope as envelopes
from crypto import epoch, rotation
from crypto.errors import ProtocolError
from tests.fakes.peer import rpps
from tests.fakes.server import running

DAY = 86_400_000


@dataclass
class Person:
    """Somebody with a home on this disk."""

    folder: Path
    recovery_code: str = ""

    @asynccontextmanager
    async def at_work(self):
        async with client(Home(self.folder), server=None, ask=lambda: "", tell=print) as made:
            yield made

    async def send(self, conversation: bytes, text: str) -> None:
        async with self.at_work() as at:
            await at.messages.send(conversation, Draft(text))

    async def texts(self, conversation: bytes) -> list[str]:
        async with self.at_work() as at:
            reading = await at.look(conversation)
            return [m.content.payload["text"] for m in reading.log.messages if m.content.type == "text"]

    async def reasons(self, conversation: bytes) -> list[str]:
        """Why each epoch began."""
        async with self.at_work() as at:
            synced = await at.conversations.sync(conversation)
            return [record.draft.reason for record in synced.opened.chain.records]


@pytest.fixture
async def server(tmp_path):
    async with running(tmp_path / "data") as made:
        yield made


def beginning(server, folder: Path) -> Beginning:
    home = Home(folder)
    home.prepare()
    return Beginning(home, server.url, folder.name, lambda: None)


@pytest.fixture
def professional(server, tmp_path):
    async def make(name: str, profession: str = "10") -> Person:
        token = await server.activation(name, profession, rpps())
        made = await accounts.create(beginning(server, tmp_path / name), to_text(token))
        return Person(tmp_path / name, made.recovery_code)

    return make


@pytest.fixture
async def claire(professional):
    return await professional("claire")


@pytest.fixture
async def letter(claire):
    async with claire.at_work() as at:
        return await at.starting.invite("Jean", "Suivi", Draft("Bonjour"), days=30)


@pytest.fixture
def conversation(letter):
    return letter.started.conversation


@pytest.fixture
async def jean(server, tmp_path, letter):
    """With the phone that he will lose, and a laptop."""
    ticket = claims.Ticket.read(link=letter.link, code=None)
    taken = await claims.claim(beginning(server, tmp_path / "phone"), ticket)
    await accounts.recover(beginning(server, tmp_path / "laptop"), taken.recovery_code)
    return Person(tmp_path / "laptop", taken.recovery_code)


@pytest.fixture
def phone(jean, tmp_path):
    return Person(tmp_path / "phone")


def move_back(person: Person, conversation: bytes, by: int) -> None:
    """As if so many more events had followed the newest record."""
    database = sqlite3.connect(person.folder / STORE, isolation_level=None)
    with contextlib.closing(database):
        newest = "SELECT MAX(epoch) FROM epochs WHERE conversation = :c"
        database.execute(
            f"UPDATE epochs SET seq = seq - :by WHERE conversation = :c AND epoch = ({newest})",
            {"c": conversation, "by": by},
        )


async def events_in_epoch(person: Person, conversation: bytes) -> int:
    async with person.at_work() as at:
        await at.conversations.sync(conversation)
        return at.device.store.events_in_epoch(conversation)


async def test_after_5000_messages_the_keys_change_once_and_the_other_side_reads_on(claire, jean, conversation):
    assert rotation.EPOCH_MESSAGES == 5_000
    move_back(claire, conversation, 4_999 - await events_in_epoch(claire, conversation))
    await claire.send(conversation, "Le dernier")
    assert await claire.reasons(conversation) == ["create", "claim"]
    assert await events_in_epoch(claire, conversation) == 5_000
    await claire.send(conversation, "Le premier")
    await claire.send(conversation, "Encore")
    assert await jean.reasons(conversation) == ["create", "claim", "rotate"]
    assert await jean.texts(conversation) == ["Bonjour", "Le dernier", "Le premier", "Encore"]


async def test_after_90_days_the_keys_change(claire, jean, conversation, monkeypatch):
    assert rotation.EPOCH_AGE == 90 * DAY
    real = conversations.milliseconds
    await claire.send(conversation, "Le jour même")
    assert await claire.reasons(conversation) == ["create", "claim"]
    for module in (conversations, messages):
        monkeypatch.setattr(module, "milliseconds", lambda: real() + 90 * DAY + 60_000)
    await jean.send(conversation, "Trois mois après")
    assert await claire.reasons(conversation) == ["create", "claim", "rotate"]
    assert await claire.texts(conversation) == ["Bonjour", "Le jour même", "Trois mois après"]


async def keys_of(person: Person, conversation: bytes):
    """What a device keeps: the account as it knows it, and the keys of the epochs it could open."""
    async with person.at_work() as at:
        synced = await at.conversations.sync(conversation)
        return at.device.own, synced.opened


async def test_what_follows_a_revocation_is_closed_to_the_lost_device(claire, jean, phone, conversation):
    await claire.send(conversation, "Avant")  # she knows his account as it was
    assert await phone.texts(conversation) == ["Bonjour", "Avant"]
    lost, opened = await keys_of(phone, conversation)
    async with jean.at_work() as at:
        assert await holders.revoke(at.device, lost.holder.id) == 2
    with pytest.raises(RefusedError) as refused:
        await phone.texts(conversation)
    assert refused.value.code == "device_removed"

    await claire.send(conversation, "Après la perte")
    assert await claire.reasons(conversation) == ["create", "claim", "rotate"]
    assert await jean.texts(conversation) == ["Bonjour", "Avant", "Après la perte"]

    # The server helps the thief: it hands over every record, box and envelope.
    async with jean.at_work() as at:
        synced = await at.conversations.sync(conversation)
        rows, events = at.device.store.epochs(conversation), at.device.store.events(conversation)
    stolen = replace(opened, chain=synced.opened.chain, accounts=synced.opened.accounts)
    assert sorted(stolen.keyring) == [1, 2]
    with pytest.raises(ProtocolError) as shut:
        epoch.open_epochs(stolen.chain, lost.id, lost.opening_key, {3: rows[2][1]}, stolen.keyring)
    assert shut.value.code == "forged_box"
    last = next(event.envelope for event in reversed(events) if event.type == "envelope")
    with pytest.raises(ProtocolError) as closed:
        envelopes.open_message(last, stolen, kind="message")
    assert closed.value.code == "unknown_epoch"
    assert envelopes.open_message(last, synced.opened, kind="message").content.payload["text"] == "Après la perte"


async def test_a_removed_member_reads_nothing_of_what_follows(claire, jean, professional, conversation):
    karim = await professional("karim", "21")
    async with karim.at_work() as at:
        account = at.device.id
    async with claire.at_work() as at:
        await at.membership.add(conversation, account, history=True, owner=False)
    await claire.send(conversation, "À trois")
    assert await karim.texts(conversation) == ["Bonjour", "À trois"]
    own, opened = await keys_of(karim, conversation)
    async with claire.at_work() as at:
        await at.membership.remove(conversation, account)
    await claire.send(conversation, "À deux")
    with pytest.raises(RefusedError):
        await karim.texts(conversation)
    async with jean.at_work() as at:
        synced = await at.conversations.sync(conversation)
        events = at.device.store.events(conversation)
    stolen = replace(opened, chain=synced.opened.chain, accounts=synced.opened.accounts)
    assert synced.opened.chain.epoch not in epoch.open_epochs(stolen.chain, own.id, own.opening_key, {}, stolen.keyring)
    last = next(event.envelope for event in reversed(events) if event.type == "envelope")
    with pytest.raises(ProtocolError) as closed:
        envelopes.open_message(last, stolen, kind="message")
    assert closed.value.code == "unknown_epoch"


async def test_two_senders_who_find_it_due_make_one_epoch(claire, jean, phone, conversation, monkeypatch):
    lost, _ = await keys_of(phone, conversation)
    async with jean.at_work() as at:
        await holders.revoke(at.device, lost.holder.id)
    both, commit = asyncio.Barrier(2), Conversations.commit

    async def together(*given):
        await asyncio.wait_for(both.wait(), 30)
        return await commit(*given)

    monkeypatch.setattr(Conversations, "commit", together)
    await asyncio.gather(claire.send(conversation, "D'elle"), jean.send(conversation, "De lui"))
    assert await claire.reasons(conversation) == ["create", "claim", "rotate"]
    assert sorted(await claire.texts(conversation)) == ["Bonjour", "D'elle", "De lui"]
    assert sorted(await jean.texts(conversation)) == ["Bonjour", "D'elle", "De lui"]


@pytest.mark.parametrize("history", [False, True])
async def test_who_is_let_in_again_reads_on(claire, jean, professional, conversation, history):
    karim = await professional("karim", "21")
    async with karim.at_work() as at:
        account = at.device.id
    for text in ("Une fois", "Encore une fois"):
        async with claire.at_work() as at:
            await at.membership.add(conversation, account, history=history, owner=False)
        await claire.send(conversation, text)
        assert (await karim.texts(conversation))[-1] == text
        async with claire.at_work() as at:
            await at.membership.remove(conversation, account)
        await claire.send(conversation, "Sans lui")
        with pytest.raises(RefusedError):
            await karim.texts(conversation)
    async with claire.at_work() as at:
        await at.membership.add(conversation, account, history=history, owner=False)
    meanwhile = ["Sans lui"] if history else []
    before = ["Bonjour"] if history else []
    assert await karim.texts(conversation) == [*before, "Une fois", *meanwhile, "Encore une fois", *meanwhile]
    await karim.send(conversation, "Me revoilà")
    assert (await claire.texts(conversation))[-1] == "Me revoilà"
