"""Commands of a patient's own rights: to block, to leave, to see who had access. Source: docs/spec/api.md 4.1, 8.1."""

import argparse
from typing import Any

from bridges.kit import refusing as invitations
from bridges.kit.claims import Ticket
from bridges.kit.client import Client
from bridges.kit.errors import UsageError
from bridges.kit.journal import read_journal
from bridges.kit.wire import to_text
from bridges.kit.words import say
from bridges.terminal import texts
from bridges.terminal.entry import entered, read_id, server_of
from bridges.terminal.output import Output
from crypto.journal import Entry


async def block(args: argparse.Namespace, out: Output) -> None:
    """Take nothing more from a professional; without an account, list them."""
    async with entered(args, out) as client:
        if args.account is None:
            found = [(to_text(each.account), each.since) for each in await client.device.api.blocks()]
            answer: dict[str, Any] = {"blocks": [{"account": account, "since": since} for account, since in found]}
            return out.answer(answer, "\n".join(account for account, _ in found))
        account = read_id(args.account)
        await client.device.api.block(account)
    answer = {"blocked": True, "account": to_text(account)}
    return out.answer(answer, say("Bloqué : vous ne recevrez plus ses messages.",
                                  "Blocked: you will receive no more messages from them."))  # fmt: skip


async def unblock(args: argparse.Namespace, out: Output) -> None:
    """Take messages of a professional again."""
    account = read_id(args.account)
    async with entered(args, out) as client:
        await client.device.api.unblock(account)
    out.answer({"blocked": False, "account": to_text(account)}, say("Débloqué.", "Unblocked."))


async def refuse(args: argparse.Namespace, out: Output) -> None:
    """Refuse an invitation and the account that it would make; needs no home."""
    ticket = Ticket.read(link=args.link, code=args.code)
    server = server_of(args)
    if server is None:
        raise UsageError("no_server")
    conversation = await invitations.refuse(server, ticket)
    answer = {"refused": True, "conversation": to_text(conversation)}
    out.answer(answer, say("C'est noté : aucun compte n'a été créé, et l'expéditeur le sait.",
                           "Noted: no account was made, and the sender knows."))  # fmt: skip


async def leave(args: argparse.Namespace, out: Output) -> None:
    """Leave a conversation."""
    conversation = read_id(args.conversation)
    async with entered(args, out) as client:
        await client.device.api.leave(conversation)
    answer = {"left": True, "conversation": to_text(conversation)}
    out.answer(answer, say("Vous avez quitté la conversation.", "You have left the conversation."))


async def journal(args: argparse.Namespace, out: Output) -> None:
    """Tell who had access to what, the newest last; everything since the last time is checked."""
    async with entered(args, out) as client:
        entries = await read_journal(client.device, args.newest)
        found = [_told(client, entry) for entry in entries]
    out.answer({"entries": found}, "\n".join(texts.access(each) for each in found))


def _told(client: Client, entry: Entry) -> dict[str, Any]:
    certificate = client.device.directory.certificate(entry.who)
    return {
        "position": entry.position,
        "kind": entry.kind,
        "at": entry.at,
        "account": to_text(entry.who),
        "name": certificate.name if certificate else "",
        "conversation": to_text(entry.conversation),
        "attachment": None if entry.attachment is None else to_text(entry.attachment),
    }
