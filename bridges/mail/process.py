"""The running bridge: one task a mailbox, one a way out, one for conversations. Source: docs/spec/mail.md 12."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from bridges.kit.client import Client
from bridges.kit.errors import KitError, UnreachableError
from bridges.kit.home import Home
from bridges.kit.keystore import Keystore
from bridges.mail.address import read_address
from bridges.mail.carrying import Carrying
from bridges.mail.config import Box, Config, Trust
from bridges.mail.delivering import Appending, Delivery, Submitting
from bridges.mail.directory.book import FILE as DIRECTORY
from bridges.mail.directory.book import Book
from bridges.mail.directory.standing import Directory
from bridges.mail.dossier import Dossier
from bridges.mail.entitlements import load as load_entitlements
from bridges.mail.following import Following
from bridges.mail.imip import Calendars, Invitations
from bridges.mail.inbox import Inbox, Kept, Source
from bridges.mail.intake import Folder
from bridges.mail.judging import Judge, Undecided
from bridges.mail.leaving import Leaving
from bridges.mail.life import Lives
from bridges.mail.lmtp_service import serving
from bridges.mail.mailbox import Mailbox
from bridges.mail.outgoing import Outgoing
from bridges.mail.patients import Patients
from bridges.mail.pdf_a.converting import converter
from bridges.mail.recipients import Guarded, Heard, Listening, Recipients
from bridges.mail.sandbox import Sandbox
from bridges.mail.sorting import Sorting, is_trusted
from bridges.mail.state import FILE, State
from bridges.mail.threads import Threads
from bridges.mail.versions import Versions
from bridges.mail.voice import Voice
from bridges.mail.ways import Ways, beside
from bridges.mail.whitelist import verify
from crypto.errors import ProtocolError

_CLEAR: Final = "pdf-a"  # folder in which documents lie in clear while they are converted
_RECHECK: Final = 3600.0  # seconds between two looks at what is old in the copy of the directory


@dataclass(slots=True)
class Desk:
    """All that a bridge knows and does, over one file and one account; made by ``opened``."""

    config: Config
    client: Client
    state: State
    inbox: Inbox
    outgoing: Outgoing
    patients: Patients
    threads: Threads
    lives: Lives
    voice: Voice
    judge: Judge
    leaving: Leaving
    following: Following
    recipients: Recipients
    invitations: Invitations | None = None  # where an agenda bridge shares a folder with us
    work: asyncio.Event = field(default_factory=asyncio.Event)  # something came in
    grew: dict[str, asyncio.Event] = field(default_factory=dict)  # by box: something is to leave
    _begun: bool = False
    _again: set[bytes] = field(default_factory=set)  # conversations that could not be carried

    def keep(self, raw: bytes, source: Source) -> Kept:
        """Take a mail of any origin; durable when it returns."""
        kept = self.inbox.keep(raw, source)
        self.work.set()
        return kept

    async def pass_once(self) -> int:
        """Judge what came, carry what was said, tell what became of it; gives how much was done.

        Raises:
            Undecided, UnreachableError: the server is away. ProtocolError: an alarm of the account itself.

        """
        async with self.voice.alone():
            heard = await self._listen()
            count = sum([await self.judge.judge(box.name) for box in self.config.box])
            for conversation in heard:
                count += await self._guarded(conversation)
            count += await self.following.tell(self.voice)
        count += self.invitations.collect() if self.invitations else 0
        if count:
            for event in self.grew.values():
                event.set()
        return count

    async def _listen(self) -> list[bytes]:
        """Give the conversations in which others did something; at the beginning also those left over by a crash."""
        entries = await self.client.feed.drain()
        others = [
            each for each in entries if each.event.type != "envelope" or each.event.author != self.client.device.id
        ]
        left_over = self._again if self._begun else self.leaving.waiting()
        found = list(dict.fromkeys([*left_over, *(bytes(each.conversation) for each in others)]))
        self._begun, self._again = True, set()
        return found

    async def _guarded(self, conversation: bytes) -> int:
        """Carry one conversation; what is wrong in one stops no other, and is tried again in the next round."""
        try:
            return await self.leaving.carry(conversation)
        except UnreachableError:
            self._begun = False  # what we did not get to is looked for again
            raise
        except Exception as error:  # noqa: BLE001  also our own faults: shown, and no reason to stop the others
            self._again.add(conversation)
            why = getattr(error, "code", f"internal {type(error).__name__}")
            self.lives.fails("conversations", "", "retrying", f"{why} in a conversation")
            return 0

    async def run(self) -> None:
        """Work until cancelled."""
        self.lives.is_("conversations", "", "starting")
        while True:
            self.work.clear()
            try:
                await self.pass_once()
            except (Undecided, KitError, ProtocolError) as error:
                wait = self.lives.fails("conversations", "", "retrying", str(getattr(error, "code", error)))
            except Exception as error:  # noqa: BLE001  the mailboxes go on; what is wrong here is shown
                wait = self.lives.fails("conversations", "", "retrying", f"internal {type(error).__name__}")
            else:
                if not self._again:
                    self.lives.is_("conversations", "", "idle")
                wait = self.config.every
            await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # wait_for would lose a cancellation that comes with the event
                await self.work.wait()


@asynccontextmanager
async def opened(config: Config, client: Client, home: Home) -> AsyncIterator[Desk]:
    """Put a bridge together over its state."""
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = client.device.keys
    state = State(config.state / FILE, seal=keys.seal, unseal=keys.open)
    async with Sandbox() as sandbox:
        with directory_of(config) as directory:
            try:
                yield _desk(config, client, home, state=state, sandbox=sandbox, directory=directory)
            finally:
                state.close()


@contextmanager
def directory_of(config: Config) -> Iterator[Directory]:
    """Open the copy of the directory beside the state; it holds nothing that needs a seal."""
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = State(config.state / DIRECTORY, seal=bytes, unseal=bytes)
    try:
        yield Directory(Book(state), config.directory)
    finally:
        state.close()


def _desk(config: Config, client: Client, home: Home, *, state: State, sandbox: Sandbox, directory: Directory) -> Desk:
    hide = hider(client.device.keys)
    inbox, outgoing, lives = Inbox(state), Outgoing(state), Lives(state)
    patients, threads = Patients(state, hide, config.own_domains), Threads(state, hide)
    voice = Voice(client, threads, home)
    versions, trusted = Versions(state, hide), trusted_domains(config.trust)
    entitlements = load_entitlements(config.entitlements)
    sorting = Sorting(config, patients, threads, outgoing, trusted, versions, entitlements)
    following = Following(outgoing, sorting.trusts, config.language)
    carrying = Carrying(config, sorting, voice, patients, threads, outgoing, following.take, versions)
    decided = Calendars(carrying, config.calendar, sorting.trusts) if config.calendar else carrying
    heard = Heard(state, hide)
    listening = Listening(decided, config, sorting.trusts, heard)
    judge = Judge(state, inbox, sandbox, listening, carrying, client.outbox.commits)
    joined = _retry(inbox)
    dossier = Dossier(config.writer, converter(config.state / _CLEAR, wanted=config.pdf_a))
    leaving = Leaving(config, state, voice, patients, threads, outgoing, dossier, joined)
    grew = {box.name: asyncio.Event() for box in config.box}
    return Desk(
        config=config,
        client=client,
        state=state,
        inbox=inbox,
        outgoing=outgoing,
        patients=patients,
        threads=threads,
        lives=lives,
        voice=voice,
        judge=judge,
        leaving=leaving,
        following=following,
        recipients=Recipients(config, sorting.trusts, threads, outgoing, heard, directory),
        invitations=Invitations(config, config.calendar, outgoing) if config.calendar else None,
        grew=grew,
    )


def hider(keys: Keystore) -> Callable[[str], bytes]:
    """Give a keyed hash: what stands in our file for numbers, addresses and Message-IDs."""
    seed = keys.get_bytes("seed") or b""

    def hide(text: str) -> bytes:
        return hashlib.blake2b(text.encode(), key=seed, digest_size=16, person=b"mail bridge").digest()

    return hide


def _retry(inbox: Inbox) -> Callable[[], None]:
    def joined() -> None:
        inbox.retry("patient_not_joined")

    return joined


def truster(config: Config) -> Callable[[str], bool]:
    """Give the question whether an address is of the trusted space; raises as ``trusted_domains``."""
    domains = trusted_domains(config.trust)
    return lambda address: is_trusted(read_address(address).domain, domains, config.trust.senders)


def trusted_domains(trust: Trust) -> frozenset[str] | None:
    """Read the signed list, where one is configured; raises SignatureError for one that does not count."""
    if trust.list_file is None:
        return None
    authority = x509.load_pem_x509_certificate(trust.ca_file.read_bytes()) if trust.ca_file else None
    octets = trust.list_file.read_bytes()
    return frozenset(verify(octets, issuer=trust.issuer, authority=authority, signer=trust.signer).domains)


async def run(desk: Desk, ways: Ways | None = None) -> None:
    """Run every task until cancelled. A task that ends by itself would be a fault of ours, and ends the process."""
    ways = ways or beside(desk.config.state)
    shutil.rmtree(desk.config.state / _CLEAR, ignore_errors=True)  # what a crash left there
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for box in desk.config.box:
            if box.operator is not None:
                door = serving(box.operator, box.name, patients=desk.patients.standing, intake=desk)
                await stack.enter_async_context(door)
            if box.imap is not None:
                tasks.create_task(_mailbox(desk, box, ways).run(), name=f"mailbox {box.name}")
            tasks.create_task(_delivery(desk, box, ways).run(), name=f"delivery {box.name}")
        tasks.create_task(desk.run(), name="conversations")
        tasks.create_task(_rechecking(desk), name="directory")


async def _rechecking(desk: Desk) -> None:
    """Keep the copy of the directory young."""
    while True:
        try:
            trouble = await desk.recipients.directory.recheck()
        except Exception as error:  # noqa: BLE001  mail goes on with the copy as it is
            trouble = f"internal {type(error).__name__}"
        if trouble:
            desk.lives.fails("directory", "", "retrying", trouble, pause=_RECHECK)
        else:
            desk.lives.is_("directory", "", "idle")
        await asyncio.sleep(_RECHECK)


def _mailbox(desk: Desk, box: Box, ways: Ways) -> Mailbox:
    return Mailbox(box, Folder(box.name, desk.inbox, box.history), desk.lives, desk.config.every, desk.work.set, ways)


def _delivery(desk: Desk, box: Box, ways: Ways) -> Delivery:
    way = Appending(box, ways) if box.deliver == "append" else Guarded(Submitting(box, ways), box, desk.recipients)
    return Delivery(box, desk.outgoing, way, desk.lives, desk.grew[box.name])
