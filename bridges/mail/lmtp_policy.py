"""What our mail server asks while a stranger is still on the line. Source: docs/spec/mail.md 18.

The questions are those of Postfix (SMTPD_POLICY_README).
At RCPT the sender's server is told no at once; at DATA the name of its certificate is written above the mail, where
only our mail server writes.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

from bridges.mail.address import Address, AddressError, read_address
from bridges.mail.lmtp import Reply
from bridges.mail.lmtp_door import NO_PEER, SEVERAL, UNKNOWN, PatientDoor
from bridges.mail.lmtp_trust import FIELD, PeerError, read_peer

IDLE: Final = 600.0  # seconds; Postfix keeps its connections
_LINES: Final = 100  # of one question
_NO_OBJECTION: Final = "DUNNO"
_BAD_SENDER: Final = Reply(553, "5.1.7", "not an address that Pli takes")


@dataclass(frozen=True, slots=True)
class Policy:
    """The answers; give ``serve`` to ``asyncio.start_server``."""

    door: PatientDoor

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the questions of one connection."""
        try:
            while question := await _read(reader):
                writer.write(f"action={self.answer(question)}\n\n".encode("ascii"))
                await writer.drain()
        except (OSError, TimeoutError, ValueError):  # whatever it said, it will ask again
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await writer.wait_closed()

    def answer(self, question: dict[str, str]) -> str:
        """Give the action of Postfix: ``DUNNO``, a refusal or ``PREPEND …``."""
        token = question.get("sasl_username", "")
        try:
            peer = read_peer(token)
        except PeerError:
            return _refusal(NO_PEER)
        if question.get("protocol_state") == "DATA":
            several = question.get("recipient_count", "0") not in {"0", "1"}
            return _refusal(SEVERAL) if several else f"PREPEND {FIELD.decode()}{token}"
        try:
            recipient = read_address(question.get("recipient", ""))
        except AddressError:
            return _refusal(UNKNOWN)
        try:
            sender = _sender(question.get("sender", ""))
        except AddressError:
            return _refusal(_BAD_SENDER)
        refusal = self.door.refuse_sender(peer, sender) or self.door.refuse_patient(recipient)
        return _refusal(refusal) if refusal else _NO_OBJECTION


def _sender(text: str) -> Address | None:
    return read_address(text) if text else None


def _refusal(reply: Reply) -> str:
    return f"{reply.code} {reply.status} {reply.text}"


async def _read(reader: asyncio.StreamReader) -> dict[str, str]:
    """Read one question, ``name=value`` lines up to an empty one; nothing at the end of the connection."""
    question = dict[str, str]()
    for _ in range(_LINES):
        async with asyncio.timeout(IDLE):
            line = await reader.readline()
        if line in {b"", b"\n"}:
            return question if line else {}
        name, _, value = line.decode("utf-8").rstrip("\n").partition("=")
        question.setdefault(name, value)
    raise ValueError("question too long")
