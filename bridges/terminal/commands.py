"""Which function runs which command."""

import argparse
from collections.abc import Awaitable, Callable
from typing import Final

from bridges.agenda import commands as agenda_commands
from bridges.folder import commands as folder_commands
from bridges.mail import commands as mail_commands
from bridges.terminal import accounts, refusing, talk
from bridges.terminal.output import Output

Command = Callable[[argparse.Namespace, Output], Awaitable[int | None]]

COMMANDS: Final[dict[str, Command]] = {
    "account": accounts.account,
    "agenda": agenda_commands.agenda,
    "block": refusing.block,
    "contacts": accounts.contacts,
    "conversations": talk.conversations,
    "end": talk.end,
    "export": talk.export,
    "folder": folder_commands.folder,
    "invite": talk.invite,
    "journal": refusing.journal,
    "leave": refusing.leave,
    "mail": mail_commands.mail,
    "members": talk.members,
    "read": talk.read,
    "retract": talk.retract,
    "send": talk.send,
    "start": talk.start,
    "unblock": refusing.unblock,
    "verify": talk.verify,
    "watch": talk.watch,
}
