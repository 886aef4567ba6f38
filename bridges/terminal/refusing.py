"""Commands of what one refuses: whom to block, which conversation to leave. Source: docs/spec/api.md 4.1."""

import argparse
from typing import Any

from bridges.kit.wire import to_text
from bridges.kit.words import say
from bridges.terminal.entry import entered, read_id
from bridges.terminal.output import Output


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


async def leave(args: argparse.Namespace, out: Output) -> None:
    """Leave a conversation."""
    conversation = read_id(args.conversation)
    async with entered(args, out) as client:
        await client.device.api.leave(conversation)
    answer = {"left": True, "conversation": to_text(conversation)}
    out.answer(answer, say("Vous avez quitté la conversation.", "You have left the conversation."))
