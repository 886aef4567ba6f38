"""Every service of a running server, as the transport finds them."""

from __future__ import annotations

from dataclasses import dataclass

from server.clock import Clock
from server.services.accounts import AccountService, ActivationService
from server.services.attachments import AttachmentService
from server.services.conversations import ConversationService
from server.services.envelopes import EnvelopeService
from server.services.feed import FeedService
from server.services.identity import ServerIdentity
from server.services.invitations import InvitationService
from server.services.journal import JournalService
from server.services.opposition import OppositionService
from server.services.ports import Store
from server.services.retention import RetentionService
from server.services.sessions import SessionService
from server.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One of each."""

    settings: Settings
    clock: Clock
    store: Store
    identity: ServerIdentity
    activations: ActivationService
    accounts: AccountService
    sessions: SessionService
    conversations: ConversationService
    envelopes: EnvelopeService
    invitations: InvitationService
    opposition: OppositionService
    journal: JournalService
    retention: RetentionService
    feed: FeedService
    attachments: AttachmentService
