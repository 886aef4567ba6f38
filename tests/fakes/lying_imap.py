"""An IMAP server that says what it is told to: numbers that begin again, dates of today, answers nobody asked for."""

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

NOW, LATER = "17-Jul-2026 02:44:25 +0000", "18-Jul-2026 10:00:00 +0200"


@dataclass
class LyingImap:
    """One folder. `mails` by UID, each with the moment that it claims to have come."""

    validity: int = 1
    next_uid: int | None = None  # None: the truth
    mails: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    every_look_anew: bool = False  # another UIDVALIDITY at each SELECT
    noise: bytes = b""  # said before every answer
    takes_keywords: bool = True
    idles: bool = False
    fetched: int = 0  # whole mails handed over
    port: int = 0

    def put(self, *raws: bytes, when: str = NOW) -> None:
        for raw in raws:
            self.mails[max(self.mails, default=0) + 1] = (when, raw)

    @asynccontextmanager
    async def served(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _serve(self, reader, writer):
        writer.write(b"* OK hi\r\n")
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                tag, _, words = line.rstrip(b"\r\n").partition(b" ")
                if words.startswith(b"AUTHENTICATE"):
                    writer.write(b"+ \r\n")
                    await reader.readline()
                answer, end = self._answer(words.upper())
                writer.write(self.noise + answer + tag + b" " + end + b"\r\n")
                await writer.drain()
        writer.close()

    def _answer(self, words: bytes) -> tuple[bytes, bytes]:
        if words.startswith(b"SELECT"):
            self.validity += self.every_look_anew
            upcoming = max(self.mails, default=0) + 1 if self.next_uid is None else self.next_uid
            return b"* OK [UIDVALIDITY %d] x\r\n* OK [UIDNEXT %d] x\r\n" % (self.validity, upcoming), b"OK"
        if found := re.match(rb"UID SEARCH UID (\d+):\*", words):
            after = [uid for uid in self.mails if uid >= int(found[1])] or [max(self.mails, default=0)]
            return b"* SEARCH " + b" ".join(b"%d" % uid for uid in after) + b"\r\n", b"OK"
        if found := re.match(rb"UID FETCH ([\d,]+) ", words):
            return self._fetched(words, list(map(int, found[1].split(b",")))), b"OK"
        if words.startswith(b"UID STORE"):
            return b"", b"OK" if self.takes_keywords else b"NO [CANNOT] keywords"
        return b"", b"BAD" if words.startswith(b"IDLE") else b"OK"

    def _fetched(self, words: bytes, uids: list[int]) -> bytes:
        said = b""
        for uid in (each for each in uids if each in self.mails):
            when, raw = self.mails[uid]
            if b"BODY.PEEK[]" in words:
                self.fetched += 1
                said += b"* %d FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (uid, uid, len(raw), raw)
            else:
                lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
                names = b"\r\n".join(each for each in lines if each.lower().startswith((b"message-id:", b"date:")))
                names += b"\r\n\r\n"
                said += (
                    b'* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE "%b" BODY[HEADER.FIELDS (MESSAGE-ID DATE)] '
                    % (
                        uid,
                        uid,
                        len(raw),
                        when.encode(),
                    )
                )
                said += b"{%d}\r\n%b)\r\n" % (len(names), names)
        return said
