"""From conversations back into files: answers with their documents, and receipts. Source: docs/operate/folder.md.

The name of a file is that of its message: written again after a crash it is the same file.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from bridges.folder.drop import ANSWERS, RECEIPTS, Drop
from bridges.folder.journal import Journal
from bridges.kit.client import Reading
from bridges.kit.errors import RefusedError
from bridges.kit.files import safe_name, write_whole
from bridges.kit.log import Line
from bridges.kit.views import attachments_of, message_views
from bridges.kit.wire import to_text
from bridges.mail.patients import Patients
from bridges.mail.threads import Thread, Threads
from bridges.mail.voice import Voice

_TOO_LARGE: Final = "attachment_too_large"


@dataclass(frozen=True, slots=True)
class Answers:
    """Writes what others said."""

    drop: Drop
    journal: Journal
    voice: Voice
    patients: Patients
    threads: Threads

    async def write(self, thread: Thread) -> None:
        """Write what is new in a conversation.

        Raises:
            RefusedError, UnreachableError, ProtocolError: nothing is lost, it is written at the next look.

        """
        reading = await self.voice.client.look(thread.conversation)
        views = message_views(reading.log, reading.people, delivered=reading.delivered)
        lines = {to_text(line.id): line for line in reading.log.lines}
        for view in views:
            line = lines[view["id"]]
            if self._is_mine(line):
                self._write_receipt(line, view)
            elif line.seq > thread.carried and line.message is not None and view["type"] in {"text", "end"}:
                await self._write_answer(thread, reading, line, view)
        if reading.log.lines:
            self.threads.carry(thread.conversation, reading.log.lines[-1].seq)

    def _is_mine(self, line: Line) -> bool:
        return line.message is not None and line.message.author.id == self.voice.client.device.id

    def _write_receipt(self, line: Line, view: dict[str, Any]) -> None:
        item = self.journal.of_message(line.id)
        if item is None or item.read or not view["read_by"]:
            return
        plain = {
            "item": item.id,
            "state": "read",
            "conversation": to_text(item.conversation),
            "message": view["id"],
            "read_by": view["read_by"],
        }
        write_whole(self.drop.folder / RECEIPTS / f"{item.id:06}.read.json", _pretty(plain))
        self.journal.was_read(item.id)

    async def _write_answer(self, thread: Thread, reading: Reading, line: Line, view: dict[str, Any]) -> None:
        stem = f"{thread.conversation.hex()[:16]}-{line.seq:06}"
        known = self.patients.get(thread.patient)
        plain = {
            "conversation": to_text(thread.conversation),
            "subject": reading.conversation.roster.subject,
            "ins": known.person.ins if known else None,
            **{name: view[name] for name in ("id", "seq", "at", "author", "type", "text", "warning")},
            "files": await self._save(thread, line, stem),
        }
        write_whole(self.drop.folder / ANSWERS / f"{stem}.json", _pretty(plain))

    async def _save(self, thread: Thread, line: Line, stem: str) -> list[dict[str, Any]]:
        """Write the documents, before the JSON that names them."""
        saved = []
        for number, reference in enumerate(attachments_of(line), 1):
            told: dict[str, Any] = {"name": reference.name, "media_type": reference.media_type}
            try:
                octets = await self.voice.fetch(thread.conversation, reference)
            except RefusedError as refused:
                if refused.code != _TOO_LARGE:
                    raise
                saved.append({**told, "file": None, "refused": _TOO_LARGE})
                continue
            name = f"{stem}-{number}-{safe_name(reference.name)}"
            write_whole(self.drop.folder / ANSWERS / name, octets)
            saved.append({**told, "file": name, "sha256": reference.sha256.hex()})
        return saved


def _pretty(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, ensure_ascii=False, indent=1).encode()
