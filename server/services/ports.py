"""What services need of the outside: a store, a bus, a clock. Storage and bus implement it; nobody here knows how.

A write is an *intent*: a function of a ``Transaction``, run by the store's writer beside many others and committed
with them. It checks everything first and writes then, since an intent that fails after writing makes its whole batch
run again. It may be run twice (only one run is committed), so it has no effect outside its transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from server.domain.account import Account, Activation, Holder
from server.domain.attachment import Attachment
from server.domain.conversation import Conversation, Member
from server.domain.events import Announcement, Event, FeedEntry, Mark
from server.domain.ids import (
    AccountId,
    AttachmentId,
    ConversationId,
    EnvelopeId,
    HolderId,
    InvitationId,
    MemberId,
    SessionId,
)
from server.domain.invitation import Invitation, InvitationState
from server.domain.place import Place
from server.domain.session import Session
from server.services.records import Jobs, Journals, Retention

T = TypeVar("T")


class Accounts(Protocol):
    """Accounts, chains, holders, activations, the directory and passkey blobs."""

    def get(self, account: AccountId) -> Account | None:
        """Return an account."""

    def add(self, account: Account) -> None:
        """Store a new account; a professional also enters the directory."""

    def save_chain(self, account: Account) -> None:
        """Store how far the chain has grown."""

    def save_settings(self, account: AccountId, *, accepts_patients: bool, language: str | None) -> None:
        """Store what the account has chosen."""

    def links(self, account: AccountId, after: int, limit: int) -> list[bytes]:
        """Return the links after a position (-1: from the genesis), ascending."""

    def page_of_links(self, account: AccountId, after: int, limit: int) -> list[bytes]:
        """Return the same; fewer when they carry more than a page."""

    def add_links(self, account: AccountId, first: int, links: list[bytes]) -> None:
        """Append links, the first one at position ``first``."""

    def holder(self, holder: HolderId) -> Holder | None:
        """Return a holder of any account, ended ones included."""

    def holders(self, account: AccountId) -> list[Holder]:
        """Return the holders of an account, ended ones included."""

    def save_holder(self, holder: Holder) -> None:
        """Store a holder, or that it has ended."""

    def save_box(self, account: AccountId, holder: HolderId, generation: int, box: bytes) -> None:
        """Store the box of the user secret for a holder."""

    def newest_box(self, holder: HolderId) -> tuple[int, bytes] | None:
        """Return the newest generation that a holder has a box of, and the box."""

    def save_previous(self, account: AccountId, generation: int, sealed: bytes) -> None:
        """Store the sealed previous user secret of a generation."""

    def previous(self, account: AccountId) -> list[tuple[int, bytes]]:
        """Return every sealed previous secret, ascending."""

    def activation(self, token_hash: bytes) -> Activation | None:
        """Return an activation, used ones included."""

    def add_activation(self, activation: Activation) -> None:
        """Store a new activation."""

    def use_activation(self, token_hash: bytes, account: AccountId) -> None:
        """Store which account an activation has become."""

    def search(self, terms: list[str], limit: int) -> list[Account]:
        """Return professionals whose name has a word beginning with each of ``terms``."""

    def open_pharmacies(self, profession: str, limit: int) -> list[Account]:
        """Return the professionals of ``profession`` who accept patients."""

    def passkey(self, credential: bytes) -> tuple[AccountId, bytes] | None:
        """Return the account and the sealed blob of a passkey credential."""

    def save_passkey(self, credential: bytes, account: AccountId, holder: HolderId, sealed: bytes) -> None:
        """Store the sealed blob of a passkey credential."""


class Sessions(Protocol):
    """The open sessions."""

    def add(self, session: Session) -> None:
        """Store a new session."""

    def by_token(self, token_hash: bytes) -> Session | None:
        """Return the session of a token, expired ones included."""

    def get(self, session: SessionId) -> Session | None:
        """Return a session by its id, expired ones included."""

    def of_account(self, account: AccountId, limit: int) -> list[Session]:
        """Return up to ``limit`` sessions of an account, newest first."""

    def touch(self, session: SessionId, last_used: int, expires: int) -> None:
        """Store that a session has been used."""

    def end(self, session: SessionId, account: AccountId) -> int:
        """Remove a session of ``account``; return how many there were."""

    def end_of_holder(self, holder: HolderId) -> list[SessionId]:
        """Remove every session of a holder; return their ids."""

    def sweep(self, now: int) -> int:
        """Remove the sessions that have expired."""

    def still_open(self, sessions: list[SessionId]) -> set[SessionId]:
        """Return those of ``sessions`` that have not ended."""

    def spend(self, stamp: bytes, ends: int) -> bool:
        """Remember that a single-use stamp has been used; False when it had been before. Forgotten after ``ends``."""


class Conversations(Protocol):
    """Conversations: heads, members, epochs, key boxes and rights."""

    def head(self, conversation: ConversationId) -> Conversation | None:
        """Return the head of a conversation; the writer gets its own copy, to change."""

    def add(self, head: Conversation) -> None:
        """Store a new conversation and its members."""

    def member(self, conversation: ConversationId, account: AccountId) -> Member | None:
        """Return an account's place in a conversation."""

    def save_member(self, conversation: ConversationId, member: Member) -> None:
        """Store a new member, or one that comes back. What was before it does not count as unread."""

    def end_member(self, conversation: ConversationId, account: AccountId, seq: int) -> None:
        """Store that a member has gone."""

    def marks(self, conversation: ConversationId) -> list[tuple[AccountId, int, int]]:
        """Return (account, read seq, delivered seq) of each member."""

    def deliver_all(self, positions: dict[AccountId, int]) -> list[Mark]:
        """Mark what lies before a position of each account's feed as delivered; return the marks that moved."""

    def add_epoch(self, head: Conversation, seq: int, record: bytes, boxes: dict[bytes, bytes]) -> None:
        """Store the record and the boxes of the head's epoch."""

    def epoch_seq(self, conversation: ConversationId, epoch: int, record_hash: bytes) -> int | None:
        """Return the seq of an epoch if its record is the one with this hash."""

    def epochs(
        self, conversation: ConversationId, reader: bytes, after: int, limit: int
    ) -> list[tuple[int, int, bytes, bytes | None]]:
        """Return (epoch, seq, record, the reader's box) after an epoch, ascending; fewer when they carry a page."""

    def records(self, conversation: ConversationId, after: int) -> list[bytes]:
        """Return every record after an epoch, ascending."""

    def place(self, conversation: ConversationId, account: AccountId) -> Place | None:
        """Return a conversation as ``account`` finds it."""

    def places(self, account: AccountId, before: tuple[int, bytes] | None, limit: int) -> list[Place]:
        """Return an account's conversations, newest first, from a cursor (last_at, id) on; fewer as in ``epochs``."""

    def right(self, patient: AccountId, professional: AccountId) -> bool:
        """Tell whether a patient may open a subject with a professional."""

    def save_right(self, patient: AccountId, professional: AccountId, *, is_open: bool) -> None:
        """Grant or end the right of a patient towards a professional."""

    def blocked(self, patient: AccountId, account: AccountId) -> bool:
        """Tell whether a patient takes nothing from an account."""

    def blocks(self, patient: AccountId, limit: int) -> list[tuple[AccountId, int]]:
        """Return (account, since when) of those whom a patient has blocked, newest first."""

    def save_block(self, patient: AccountId, account: AccountId, since: int | None) -> None:
        """Store that a patient takes nothing from an account, or (none) that it does again."""

    def shared(self, patient: AccountId, account: AccountId) -> list[ConversationId]:
        """Return the conversations that both are in, the first one as the patient."""

    def save_gone(self, head: Conversation) -> None:
        """Store whether the patient has left."""

    def carers_who_wrote(self, conversation: ConversationId) -> list[AccountId]:
        """Return the members whose messages open a right for the patient: owners and professionals who wrote."""


class Log(Protocol):
    """The log of each conversation and the feed of each account."""

    def append(self, to: Conversation, event: Event, *, also: tuple[AccountId, ...] = ()) -> Event:
        """Give ``event`` the next seq of its conversation, and a position in the feed of every member and ``also``."""

    def mark_read(self, conversation: ConversationId, account: AccountId, seq: int) -> None:
        """Move the account's own reading mark forward; it never goes back."""

    def touch(self, conversation: Conversation) -> None:
        """Remember that the head has changed."""

    def envelope(self, envelope_id: EnvelopeId) -> Event | None:
        """Return the event that carries an envelope."""

    def retract(self, event: Event) -> None:
        """Remove the body of an envelope; its place in the log stays."""

    def last_position(self, account: AccountId) -> int:
        """Return the newest position of an account's feed; 0 for an empty one."""

    def last_positions(self, accounts: list[AccountId]) -> dict[AccountId, int]:
        """Return the newest position of each feed that is not empty."""

    def after(self, conversation: ConversationId, seq: int, limit: int) -> list[Event]:
        """Return up to ``limit`` events with a higher seq, ascending."""

    def before(self, conversation: ConversationId, seq: int, floor: int, limit: int) -> list[Event]:
        """Return the ``limit`` newest events with ``floor`` ≤ seq < ``seq``, ascending."""

    def page_for(
        self, account: AccountId, conversation: ConversationId, *, after: int | None, before: int | None, limit: int
    ) -> tuple[Member, int, list[Event]] | None:
        """Return a member, the newest seq there is, and events that it may read after or before a seq, as ``after``."""

    def feed(self, account: AccountId, after: int, limit: int) -> list[FeedEntry]:
        """Return up to ``limit`` entries of an account's feed after a position, ascending."""

    def with_boxes(self, events: list[Event], reader: bytes) -> list[Event]:
        """Fill in the epoch records, and the key boxes that are ``reader``'s."""


class Invitations(Protocol):
    """Invitations, by their id and by the locator of a typed code."""

    def get(self, invitation: InvitationId) -> Invitation | None:
        """Return an invitation in whatever state."""

    def by_locator(self, locator: bytes) -> Invitation | None:
        """Return the invitation that a typed code points to."""

    def by_member(self, member: MemberId) -> Invitation | None:
        """Return the invitation with this member id."""

    def of_conversation(
        self, conversation: ConversationId, after: tuple[int, bytes] | None, limit: int
    ) -> list[Invitation]:
        """Return invitations of a conversation by (expires, id), from such a place on."""

    def add(self, invitation: Invitation) -> None:
        """Store a new invitation."""

    def forget_codes(self, before: int, limit: int) -> int:
        """Forget the typed codes of invitations that ended before a time; return how many."""

    def end(self, member: MemberId, state: InvitationState, claimed_by: AccountId | None = None) -> None:
        """Store what has become of an invitation, by its member id."""


class Attachments(Protocol):
    """Uploads, and their links to conversations."""

    def get(self, attachment: AttachmentId) -> Attachment | None:
        """Return an upload, complete or not."""

    def add(self, attachment: Attachment) -> None:
        """Store a new upload."""

    def advance(self, attachment: AttachmentId, received: int) -> None:
        """Store how many bytes are on the disk."""

    def remove(self, attachment: AttachmentId) -> None:
        """Forget an upload."""

    def used(self, account: AccountId) -> int:
        """Return the bytes that an account keeps or has announced."""

    def complete(self, account: AccountId, attachments: list[AttachmentId]) -> bool:
        """Tell whether all of ``attachments`` are whole uploads of ``account``."""

    def link(self, attachments: list[AttachmentId], conversation: ConversationId, seq: int) -> None:
        """Let the members of a conversation read ``attachments``, which its event ``seq`` names."""

    def linked(self, attachment: AttachmentId, conversation: ConversationId) -> bool:
        """Tell whether a conversation names this attachment."""

    def is_linked(self, attachment: AttachmentId) -> bool:
        """Tell whether any conversation names this attachment."""

    def unlinked_before(self, at: int, limit: int) -> list[AttachmentId]:
        """Return uploads begun before ``at`` that no conversation names."""


class Transaction(Protocol):
    """Everything that is stored, inside one transaction or (read only) on a snapshot."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def conversations(self) -> Conversations: ...
    @property
    def log(self) -> Log: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def attachments(self) -> Attachments: ...
    @property
    def journals(self) -> Journals: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def retention(self) -> Retention: ...


class Ahead(NamedTuple):
    """What an intent will ask for, so that it can be looked up for a whole batch at once. It decides nothing."""

    envelope: EnvelopeId
    conversation: ConversationId


Intent = Callable[[Transaction], T]
Done = Callable[[T | None, BaseException | None], None]


class Writes(Protocol):
    """Runs intents: the store itself, or a lease that first makes sure it still holds."""

    async def write(self, intent: Callable[[Transaction], T]) -> T:
        """Run ``intent`` in a transaction; return its result after the commit."""


class Store(Protocol):
    """Where everything is kept. What a write returns is on the disk."""

    async def write(self, intent: Callable[[Transaction], T], *, ahead: Ahead | None = None) -> T:
        """Run ``intent`` in a transaction; return its result after the commit."""

    def submit(
        self,
        intent: Callable[[Transaction], T],
        done: Callable[[T | None, BaseException | None], None],
        *,
        ahead: Ahead | None = None,
    ) -> None:
        """Do the same without a task: ``done(result, error)`` is called on the loop after the commit."""

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a short query on a snapshot. It must not write."""


class Bus(Protocol):
    """Tells what was committed to whoever is listening, in the order of the log. A hint, never the truth."""

    def announce(self, announcements: list[Announcement]) -> None:
        """Tell the listeners of each account about new events."""

    def mark(self, marks: list[Mark]) -> None:
        """Tell the members of conversations what has been delivered."""

    def end_sessions(self, sessions: list[SessionId]) -> None:
        """Tell that sessions have ended: forget them, close their sockets."""

    def change(self, account: AccountId) -> None:
        """Tell that what is remembered of an account must be read again."""
