"""How an address stands in the directory, and asking anew when what we hold is old. Source: docs/spec/mail.md 22."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from bridges.kit.errors import UsageError
from bridges.mail.config import DirectorySettings, context_of_authority, read_secret
from bridges.mail.directory.book import Book
from bridges.mail.directory.client import Annuaire, DirectoryError, Found, Pace
from bridges.mail.directory.entries import Known

DAY: Final = 86_400.0
FRESH: Final = 7 * DAY  # an answer younger than this is not asked for again
LONGEST: Final = 30 * DAY  # an older copy counts for nothing
VOUCHED: Final = 365 * DAY  # for as long somebody's word counts
LOOK: Final = 45.0  # seconds for all there is to ask about one address: other mails wait behind it
REST: Final = 60.0  # seconds after a failure in which nobody is asked
ROUND: Final = 200  # addresses looked at again in one round

Verdict = Literal["listed", "inactive", "ambiguous", "too_old", "unlisted"]


@dataclass(frozen=True, slots=True)
class Standing:
    """The verdict, and what it rests on. ``trouble``: why the directory was not asked though it should have been."""

    verdict: Verdict
    known: tuple[Known, ...]
    trouble: str = ""


def judge(known: list[Known], now: float) -> Verdict:
    """Judge what is held about one address.

    A person's word counts for ``VOUCHED``, unless the directory has said later that the mailbox is closed. A personal
    mailbox of two people is nobody's: one of the two entries is wrong, and we cannot tell which.
    """
    vouched = [each for each in known if each.source == "verified" and now - each.seen_at <= VOUCHED]
    listed = [each for each in known if each.source != "verified" and now - each.seen_at <= LONGEST]
    newest = max((each.seen_at for each in listed), default=0.0)
    current = [each for each in listed if each.source == "api"] or listed  # the interface knows better than the extract
    if current and not any(each.entry.active for each in current):
        return "listed" if any(each.seen_at > newest for each in vouched) else "inactive"
    if vouched:
        return "listed"
    if not current:
        return "too_old" if known else "unlisted"
    owners = {each.entry.owner for each in current if each.entry.kind == "PER" and each.entry.active}
    return "ambiguous" if len(owners) > 1 else "listed"


@dataclass(slots=True)
class Directory:
    """The copy, and the directory behind it where there is a key."""

    book: Book
    where: DirectorySettings
    clock: Callable[[], float] = time.time  # noqa: TID251  the default clock
    pace: Pace = field(default_factory=Pace)
    _away_until: float = field(default=0.0, init=False)
    _trouble: str = field(default="", init=False)

    @property
    def has_key(self) -> bool:
        """Whether the directory can be asked."""
        return self.where.key_file is not None

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[Annuaire]:
        """Open the directory; raises DirectoryError, also for a key that cannot be read."""
        if self.where.key_file is None:
            raise DirectoryError("no_key", refused=True)
        try:
            key, tls = read_secret(self.where.key_file), context_of_authority(self.where.ca_file)
        except UsageError as error:
            raise DirectoryError(error.code, refused=True) from None
        if not key or not key.isascii() or not key.isprintable():
            raise DirectoryError("key_broken", refused=True)
        made = Annuaire(base=self.where.url, key=key, inside=self.where.inside, tls=tls, pace=self.pace)
        async with made as annuaire:
            yield annuaire

    async def standing(self, address: str) -> Standing:
        """Say how an address stands; where what we hold is older than ``FRESH``, the directory is asked first."""
        trouble = await self._refresh(address) if self._is_old(address) else ""
        known = self.book.find(address)
        return Standing(judge(known, self.clock()), tuple(known), trouble)

    def held(self, address: str) -> Verdict:
        """Judge by what is held; nobody is asked."""
        return judge(self.book.find(address), self.clock())

    def _is_old(self, address: str) -> bool:
        asked = self.book.asked_at(address)
        return self.has_key and (asked is None or self.clock() - asked > FRESH)

    async def _refresh(self, address: str) -> str:
        """Ask, and keep the answer; gives why there was none. After a failure nobody is asked for ``REST``."""
        if self.clock() < self._away_until:
            return self._trouble
        try:
            async with asyncio.timeout(LOOK), self.entered() as annuaire:
                found = await annuaire.of_address(address)
        except (DirectoryError, TimeoutError) as error:
            self._trouble = error.detail if isinstance(error, DirectoryError) else "too_slow"
            self._away_until = self.clock() + REST
            return self._trouble
        self.book.learn(address, found.entries)
        self.book.hide(found.red)
        return ""

    async def search(self, words: str) -> tuple[list[Known], str, bool]:
        """Search the directory, or the copy where that cannot be; gives results, trouble, and if that is all."""
        trouble, complete = "", True
        if self.has_key:
            try:
                async with self.entered() as annuaire:
                    found = await annuaire.of_words(words)
            except DirectoryError as error:
                trouble = error.detail
            else:
                complete = found.complete
                self._keep(found)
        return self.book.search(words), trouble, complete

    def _keep(self, found: Found) -> None:
        self.book.learn_some(found.entries)
        self.book.hide(found.red)

    async def recheck(self) -> str:
        """Ask again about what is older than ``FRESH``, drop what is older than ``LONGEST``; gives the trouble."""
        now = self.clock()
        self.book.forget(now - LONGEST)
        if not self.has_key:
            return ""
        for address in self.book.due(now - FRESH, ROUND):
            if trouble := await self._refresh(address):
                return trouble
        return ""
