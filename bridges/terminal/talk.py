"""Commands of the conversations."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from bridges.kit import attachments
from bridges.kit import export as exports
from bridges.kit import verify as verification
from bridges.kit.appointments_log import Reminder, acts_of, reminders
from bridges.kit.appointments_state import PATIENT
from bridges.kit.client import Client, Reading
from bridges.kit.errors import ALARM_EXIT, UsageError
from bridges.kit.messages import Draft
from bridges.kit.starting import invitation_of
from bridges.kit.views import beginning_view, message_views
from bridges.kit.watch import Watch
from bridges.kit.wire import to_text
from bridges.kit.words import explain, say
from bridges.terminal import texts
from bridges.terminal.entry import alone, entered, entered_shared, read_id
from bridges.terminal.output import Output
from crypto.content import Reply


async def invite(args: argparse.Namespace, out: Output) -> None:
    """Begin a conversation with somebody who has no account."""
    async with entered(args, out) as client:
        made = await client.starting.invite(args.name, args.subject, _draft(client, args), days=args.days)
    answer = {
        "conversation": to_text(made.started.conversation),
        "message": to_text(made.started.message.id) if made.started.message else None,
        "invitation_link": made.link,
        "invitation_code": made.code,
    }
    out.answer(answer, texts.invitation(answer))


async def start(args: argparse.Namespace, out: Output) -> None:
    """Begin a conversation with an account."""
    account = read_id(args.account)
    async with entered(args, out) as client:
        made = await client.starting.start(account, args.subject, _draft(client, args))
    message = to_text(made.message.id) if made.message else None
    answer = {"conversation": to_text(made.conversation), "message": message}
    out.answer(answer, say(f"Conversation : {answer['conversation']}", f"Conversation: {answer['conversation']}"))


async def conversations(args: argparse.Namespace, out: Output) -> int:
    """List the conversations; gives 6 when one of them does not hold."""
    async with entered(args, out) as client:
        found = await client.overview()
    alarms = [each["alarm"] for each in found if "alarm" in each]
    return _answer(out, {"conversations": found}, texts.conversations(found), alarms)


async def send(args: argparse.Namespace, out: Output) -> None:
    """Send a message."""
    conversation = read_id(args.conversation)
    async with entered(args, out) as client:
        accepted = await client.messages.send(conversation, _draft(client, args))
    answer = {"message": to_text(accepted.id), "state": "accepted", "seq": accepted.seq, "at": accepted.at}
    out.answer(answer, say("Envoyé.", "Sent."))


async def read(args: argparse.Namespace, out: Output) -> int:
    """Read a conversation; gives 6 when a message in it does not hold, after showing the others."""
    conversation = read_id(args.conversation)
    async with entered(args, out) as client:
        reading = await client.read(conversation, save=args.save, receipt=not args.no_receipt)
        paths = reading.paths
        views = message_views(reading.log, reading.people, delivered=reading.delivered, paths=paths)
        subject = reading.conversation.roster.subject
        begins = beginning_view(reading.log)
        due = _reminders(client, reading)
    reminded = [asdict(each) for each in due]
    answer: dict[str, Any] = {"subject": subject, "messages": views, "trimmed": begins, "reminders": reminded}
    text = "\n\n".join([*(texts.reminder(each) for each in due), texts.messages(subject, views, begins)])
    return _answer(out, answer, text, reading.log.errors)


def _reminders(client: Client, reading: Reading) -> Sequence[Reminder]:
    """Give the patient's side what its practice's automate has not reminded it of."""
    me = reading.conversation.opened.chain.members.get(client.device.id)
    if me is None or me.role not in PATIENT:
        return []
    return reminders(acts_of(reading.log), datetime.now(UTC))


def _answer(out: Output, answer: dict[str, Any], text: str, errors: Sequence[str]) -> int:
    """Give what holds, and beside it the first check that failed."""
    if not errors:
        out.answer(answer, text)
        return 0
    sentence = explain(errors[0], of_protocol=True)
    answer["error"] = {"code": errors[0], "message": sentence.message, "hint": sentence.hint}
    out.answer(answer, text)
    out.tell(f"{sentence.message} [{errors[0]}]\n{sentence.hint}")
    return ALARM_EXIT


async def watch(args: argparse.Namespace, out: Output) -> None:
    """Follow what arrives, one JSON object a line."""
    async with entered_shared(args, out) as client:
        watching = Watch(client, lambda: alone(client.device.home, out))
        with suppress(TimeoutError):
            async with asyncio.timeout(args.seconds):
                async for event in watching.events():
                    out.line(event)


async def members(args: argparse.Namespace, out: Output) -> None:
    """List, add or remove members."""
    conversation = read_id(args.conversation)
    async with entered(args, out) as client:
        if args.change is None:
            reading = await client.look(conversation)
            found = [_with_invitation(client, conversation, member) for member in reading.people.members()]
            return out.answer({"members": found}, texts.members(found))
        account = read_id(args.account)
        if args.change == "add":
            epoch = await client.membership.add(conversation, account, history=args.history, owner=args.owner)
        else:
            epoch = await client.membership.remove(conversation, account)
    return out.answer({"epoch": epoch}, say("C'est fait.", "Done."))


def _with_invitation(client: Client, conversation: bytes, member: dict[str, Any]) -> dict[str, Any]:
    """Show an open invitation's link and code again, in the home that made it."""
    if not member["invited"]:
        return member
    link, code = invitation_of(client.device, conversation)
    return {**member, "invitation_link": link or None, "invitation_code": code or None}


async def end(args: argparse.Namespace, out: Output) -> None:
    """End a conversation."""
    conversation = read_id(args.conversation)
    async with entered(args, out) as client:
        accepted = await client.messages.end(conversation, args.text)
    answer = {"ended": True, "message": to_text(accepted.id), "seq": accepted.seq}
    out.answer(answer, say("Conversation terminée : le patient ne peut plus répondre.",
                           "Conversation ended: the patient can no longer answer."))  # fmt: skip


async def retract(args: argparse.Namespace, out: Output) -> None:
    """Take back a message."""
    conversation, message = read_id(args.conversation), read_id(args.message)
    async with entered(args, out) as client:
        await client.messages.retract(conversation, message)
    out.answer({"retracted": True, "message": to_text(message)}, say("Message retiré.", "Message taken back."))


async def export(args: argparse.Namespace, out: Output) -> None:
    """Export a conversation."""
    conversation = read_id(args.conversation)
    async with entered(args, out) as client:
        made = await exports.export(client, conversation, args.out)
    answer = {"file": str(args.out), "messages": made.messages, "documents": made.documents, "trimmed": made.trimmed}
    out.answer(answer, texts.exported(answer))


async def verify(args: argparse.Namespace, out: Output) -> None:
    """Check an export, offline."""
    found = await asyncio.to_thread(verification.verify, args.file)
    answer = {
        "verified": True,
        "conversation": to_text(found.manifest.conversation),
        "subject": found.subject,
        "by": to_text(found.manifest.by),
        "server": found.manifest.server,
        "registry_key": to_text(found.manifest.registry_key),
        "accounts": found.accounts,
        "epochs": found.epochs,
        "messages": found.messages,
        "documents": found.documents,
        "retracted": found.retracted,
        "trimmed": found.trimmed,
    }
    out.answer(answer, texts.verified(answer))


def _draft(client: Client, args: argparse.Namespace) -> Draft:
    limit = client.device.attachment_limit
    documents = [attachments.inspect(path, args.document, limit) for path in args.files]
    text = sys.stdin.read() if args.text == "-" else args.text
    return Draft(text, documents, _reply(args))


def _reply(args: argparse.Namespace) -> Reply:
    if args.no_reply:
        return "none"
    return "open" if args.reply_until is None else {"until": read_time(args.reply_until)}


def read_time(text: str) -> int:
    """Read a day (until its end) or a moment in ISO 8601, local without a zone; raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError("usage", "a date as YYYY-MM-DD or ISO 8601") from error
    if "T" not in text and " " not in text:
        moment += timedelta(days=1)
    return int(moment.astimezone().timestamp() * 1000)
