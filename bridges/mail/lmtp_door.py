"""Who is let in behind our mail server: the right peer, one sender, one patient. Source: docs/spec/mail.md 18.

The same questions are asked twice: at RCPT, so that a refusal reaches the sender's server and no bounce is needed, and
again with the mail in hand. The mail counts.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from bridges.mail import ins
from bridges.mail.address import Address, read_address
from bridges.mail.inbox import Source
from bridges.mail.intake import Intake
from bridges.mail.lmtp import DONE, Envelope, Reply
from bridges.mail.lmtp_trust import PeerError, Trust, split_own, split_peer
from bridges.mail.names import Attributes
from bridges.mail.sandbox import Sandbox

Standing = Literal["open", "closed", "unknown"]
Patients = Callable[[Address], Standing]
"""Whether a patient of this address may be written to, as far as the bridge knows."""

Judge = Callable[[Address], Reply | None]
"""Gives the refusal of a sender."""

NO_PEER: Final = Reply(550, "5.7.1", "no certificate of the health space was shown")
NO_LIST: Final = Reply(451, "4.7.0", "no valid list of trusted domains, try again later")
NOT_TRUSTED: Final = Reply(550, "5.7.1", "your certificate may not speak for the domain of the sender")
NOT_YOU: Final = Reply(550, "5.7.1", "From must be the address that signed in")
UNKNOWN: Final = Reply(550, "5.1.1", "unknown patient")
CLOSED: Final = Reply(550, "5.2.1", "this patient's mailbox is closed")
SEVERAL: Final = Reply(550, "5.5.3", "one patient a mail")
NO_FROM: Final = Reply(550, "5.6.0", "From is missing")
BAD_FROM: Final = Reply(550, "5.6.0", "From must stand once and hold one address")
BAD_HEADER: Final = Reply(550, "5.6.0", "the header cannot be read")
_DAEMONS: Final = {"mailer-daemon", "postmaster"}
_NO_HEADER: Final = {"empty", "not_a_mail", "unreadable"}
ALL: Final = (NO_PEER, NO_LIST, NOT_TRUSTED, NOT_YOU, UNKNOWN, CLOSED, SEVERAL, NO_FROM, BAD_FROM, BAD_HEADER)


def _own_report(hostname: str) -> re.Pattern[bytes]:
    """What Postfix writes above a mail it makes itself. Above one that it took it writes "from" first."""
    return re.compile(rb"Received: by " + re.escape(hostname.encode()) + rb" \(Postfix\)\r\n\tid [A-Za-z0-9]+; ")


def _at_and_above(domain: str) -> list[str]:
    labels = domain.split(".")
    return [".".join(labels[place:]) for place in range(len(labels) - 1)]


@dataclass(frozen=True, slots=True)
class PatientDoor:
    """The door of ``<15 signs>@domain``; mails go to the intake as those of ``box``."""

    domain: str
    box: str
    trust: Trust
    patients: Patients
    intake: Intake
    sandbox: Sandbox
    hostname: str = ""  # of our mail server, whose own reports about our mails are let in
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)  # one mail at a time in the child

    async def mail(self, envelope: Envelope, raw: bytes) -> list[Reply]:
        """Judge peer and sender, then keep the mail; 250 only when it is on the disk."""
        if len(envelope.recipients) != 1:
            return [SEVERAL] * len(envelope.recipients)
        return [await self._take(envelope, raw)]

    async def _take(self, envelope: Envelope, raw: bytes) -> Reply:
        written, allowed = self._let_in(envelope, raw)
        if allowed is None:
            return NO_PEER
        refusal = (allowed(envelope.sender) if envelope.sender else None) or await self._refuse_writer(written, allowed)
        if refusal:
            return refusal
        recipients = tuple(map(str, envelope.recipients))
        self.intake.keep(written, Source(self.box, sender=str(envelope.sender or ""), recipients=recipients))
        return DONE

    def _let_in(self, envelope: Envelope, raw: bytes) -> tuple[bytes, Judge | None]:
        """Give the mail without our line, and who may write it; nobody when our mail server named no one."""
        with contextlib.suppress(PeerError):
            peer, written = split_peer(raw)
            is_report = envelope.sender is None
            return written, lambda writer: self.refuse_sender(peer, writer, is_report=is_report)
        with contextlib.suppress(PeerError):
            own, written = split_own(raw)
            return written, lambda writer: None if writer.identity == own.identity else NOT_YOU
        if envelope.sender is None and self.hostname and _own_report(self.hostname).match(raw):
            daemon = f"mailer-daemon@{self.hostname}"
            return raw, lambda writer: None if writer.identity == daemon else NO_PEER
        return raw, None

    async def _refuse_writer(self, written: bytes, allowed: Judge) -> Reply | None:
        """Refuse a mail whose single From is not one that this peer may use. What is kept aside later passes here."""
        async with self.reading:
            found = (await self.sandbox.read(written)).reading
        if found.mail is not None:
            return allowed(read_address(found.mail.sender))
        reason = found.reason or "not_a_mail"
        if reason.startswith("sender"):
            return NO_FROM if reason == "sender_missing" else BAD_FROM
        return BAD_HEADER if reason in _NO_HEADER or reason.startswith("header") else None

    def refuse_sender(self, peer: Attributes, sender: Address | None, *, is_report: bool = False) -> Reply | None:
        """Refuse a sender of a domain that this peer may not speak for; reports have none.

        A report is written by a machine *below* such a domain: ``MAILER-DAEMON@mx.chu.example`` of ``chu.example``.
        """
        if sender is None:
            return None
        by_a_machine = is_report and sender.local.lower() in _DAEMONS
        domains = _at_and_above(sender.domain) if by_a_machine else [sender.domain]
        admitted = [self.trust.admits(each, peer) for each in domains]
        if None in admitted:
            return NO_LIST
        return None if any(admitted) else NOT_TRUSTED

    def refuse_patient(self, recipient: Address) -> Reply | None:
        """Refuse an address that is no patient's, or of one who wants no mail."""
        if recipient.domain != self.domain or ins.check(recipient.local.upper(), "") != "good":
            return UNKNOWN
        standing = self.patients(recipient)
        return {"open": None, "closed": CLOSED, "unknown": UNKNOWN}[standing]
