"""``pli-bridge mail directory``: look, import, vouch. Needs the configuration, no server and no passphrase.

Source: docs/operate/mail.md.
"""

import argparse
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bridges.kit.errors import RefusedError, UsageError
from bridges.kit.words import say
from bridges.mail.address import AddressError, read_address
from bridges.mail.config import Config, load
from bridges.mail.directory.book import Verified
from bridges.mail.directory.client import DirectoryError
from bridges.mail.directory.entries import Entry, Known, cut, kind_of, rpps
from bridges.mail.directory.extract import ExtractError, opened
from bridges.mail.directory.standing import DAY, LONGEST, VOUCHED, Directory
from bridges.mail.process import directory_of, truster
from bridges.mail.recipients import NOT_TRUSTED, REFUSED
from bridges.terminal.output import Output

NOT_ALLOWED: Final = 3  # exit code: the answer is no


async def directory(args: argparse.Namespace, out: Output) -> int | None:
    """Run one step."""
    if args.config is None:
        raise UsageError("usage", "--config FILE")
    config = load(args.config)
    with directory_of(config) as found:
        return await _STEPS[args.step](args, config, found, out)


async def _search(args: argparse.Namespace, config: Config, found: Directory, out: Output) -> None:
    """Search; red-listed and closed mailboxes are never shown."""
    del config
    words = cut(" ".join(args.words))
    if len(words.strip("@ ")) < 2:
        raise UsageError("usage", say("au moins deux signes", "at least two signs"))
    known, trouble, complete = await found.search(words)
    shown = [_shown(each) for each in known]
    if trouble:
        out.tell(say(f"Annuaire non interrogé ({trouble}) : copie locale.", f"Directory not asked ({trouble}): copy."))
    text = "\n".join(map(_line, known)) or say("Rien trouvé.", "Nothing found.")
    out.answer({"found": shown, "asked": found.has_key and not trouble, "trouble": trouble, "complete": complete}, text)


async def _check(args: argparse.Namespace, config: Config, found: Directory, out: Output) -> int:
    """Say whether an address may be written to by somebody to whom it never wrote; exit code 3 when not."""
    address = _address(args.address)
    standing = await found.standing(address)
    code = REFUSED.get(standing.verdict, "")
    if not code and not truster(config)(address):
        code = NOT_TRUSTED
    answer = {
        "address": address,
        "allowed": not code,
        "code": code or None,
        "verdict": standing.verdict,
        "trouble": standing.trouble,
        "known": [_shown(each) for each in standing.known],
    }
    lines = [f"{address}: {code or 'ok'}{f' ({standing.trouble})' if standing.trouble else ''}"]
    out.answer(answer, "\n".join([*lines, *map(_line, standing.known)]))
    return NOT_ALLOWED if code else 0


async def _import(args: argparse.Namespace, config: Config, found: Directory, out: Output) -> None:
    """Take the free extract in the place of the earlier one."""
    del config
    path: Path = args.file
    try:
        with opened(path) as extract:
            made_at = _made_at(args.date, extract.made_at, path)
            count = found.book.take_extract(extract.entries, file=path.name, made_at=made_at)
            dropped = extract.dropped
    except ExtractError as error:
        raise UsageError("usage", f"{path.name}: {error}") from None
    answer = {"file": path.name, "made_at": _day(made_at), "lines": count, "dropped": dropped}
    out.answer(
        answer, say(f"{count} boîtes, fichier du {_day(made_at)}", f"{count} mailboxes, file of {_day(made_at)}")
    )


def _made_at(said: str | None, stamped: datetime | None, path: Path) -> float:
    """Give the moment of an extract: as said, as its name says, else as the file system has it."""
    try:
        moment = datetime.fromisoformat(said) if said else stamped
    except ValueError:
        raise UsageError("usage", "--date: YYYY-MM-DD") from None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() if moment else path.stat().st_mtime
    if seconds > time.time() + DAY:  # noqa: TID251  a command of a person
        raise UsageError(
            "usage", say("la date du fichier est dans l'avenir", "the date of the file lies in the future")
        )
    return seconds


async def _add(args: argparse.Namespace, config: Config, found: Directory, out: Output) -> None:
    """Vouch for an address: who looked, when, how."""
    address = _address(args.address)
    if not truster(config)(address):
        raise RefusedError(NOT_TRUSTED, read_address(address).domain)
    owner = rpps(args.rpps) if args.rpps else ""
    if args.rpps and not owner:
        raise UsageError("usage", "--rpps: 11 digits")
    by, name = cut(args.by or _login()).strip(), cut(args.name).strip()
    if not by or not name:
        raise UsageError("usage", "--by, --name")
    entry = Entry(address=address, kind=kind_of(args.kind), owner=owner, name=name, place=cut(args.place))
    now = time.time()  # noqa: TID251  a command of a person
    found.book.verify(Verified(entry=entry, at=now, by=by, note=cut(args.note)))
    shown = _shown(Known(entry=entry, source="verified", seen_at=now, by=by, note=cut(args.note)))
    out.answer({"added": shown}, f"{address}: {by}, {_day(now)}")


async def _remove(args: argparse.Namespace, config: Config, found: Directory, out: Output) -> None:
    """Take such a word back."""
    del config
    address = _address(args.address)
    if not found.book.unverify(address):
        raise RefusedError("not_found", "nobody vouched for this address")
    out.answer({"removed": address}, address)


async def _show(args: argparse.Namespace, config: Config, found: Directory, out: Output) -> None:
    """Say what the copy holds, and who vouched for what."""
    del args, config
    summary = found.book.summary()
    extract = summary.extract
    answer = {
        "key": found.has_key,
        "url": found.where.url,
        "asked": {"addresses": summary.asked, "oldest": _day(summary.oldest) if summary.oldest else None},
        "extract": {
            "file": extract.file,
            "made_at": _day(extract.made_at),
            "age_days": _age(extract.made_at),
            "counts": _age(extract.made_at) * DAY <= LONGEST,
            "lines": extract.addresses,
        }
        if extract
        else None,
        "verified": [_shown(_known(each)) for each in found.book.verified()],
    }
    lines = [
        say(f"Interrogées : {summary.asked}", f"Asked: {summary.asked}"),
        say("Fichier : ", "File: ") + (f"{extract.addresses}, {_day(extract.made_at)}" if extract else "-"),
        *(_line(_known(each)) for each in found.book.verified()),
    ]
    out.answer(answer, "\n".join(lines))


async def probe(directory: Directory) -> list[dict[str, Any]]:
    """Give the checks of ``doctor``: key and reachability, and the age of what is held."""
    checks = [_aged(directory)]
    if directory.has_key:
        try:
            async with directory.entered() as annuaire:
                await annuaire.probe()
        except DirectoryError as error:
            checks.insert(0, {"check": "directory", "ok": False, "detail": error.detail})
        else:
            checks.insert(0, {"check": "directory", "ok": True, "detail": directory.where.url})
    return checks


def _aged(directory: Directory) -> dict[str, Any]:
    """An extract that is too old counts for nothing: that is a fault where there is no key."""
    summary = directory.book.summary()
    extract = summary.extract
    parts = [f"asked {summary.asked}", f"verified {summary.verified}"]
    if summary.oldest is not None:
        parts.append(f"oldest answer {_age(summary.oldest)} days")
    if extract is not None:
        parts.append(f"extract {extract.addresses}, {_age(extract.made_at)} days")
    good = directory.has_key or extract is None or _age(extract.made_at) * DAY <= LONGEST
    if not directory.has_key:
        parts.append("no key")
    return {"check": "directory: copy", "ok": good, "detail": ", ".join(parts)}


def _known(made: Verified) -> Known:
    return Known(entry=made.entry, source="verified", seen_at=made.at, by=made.by, note=made.note)


def _shown(known: Known) -> dict[str, Any]:
    entry, days = known.entry, _age(known.seen_at)
    limit = VOUCHED if known.source == "verified" else LONGEST
    return {
        "address": entry.address,
        "kind": entry.kind or None,
        "owner": entry.owner,
        "name": entry.name,
        "place": entry.place,
        "profession": entry.profession,
        "active": entry.active,
        "source": known.source,
        "seen": _day(known.seen_at),
        "age_days": days,
        "counts": days * DAY <= limit,
        **({"by": known.by, "note": known.note} if known.source == "verified" else {}),
    }


def _line(known: Known) -> str:
    entry = known.entry
    words = (entry.address, entry.kind, entry.name, entry.place if entry.place != entry.name else "", known.by)
    return "  ".join(filter(None, (*words, f"{known.source} {_day(known.seen_at)}")))


def _age(seconds: float) -> int:
    return max(0, int((time.time() - seconds) // DAY))  # noqa: TID251  told to a person


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _address(text: str) -> str:
    try:
        return read_address(text).identity
    except AddressError:
        raise UsageError("usage", say("pas une adresse", "not an address")) from None


def _login() -> str:
    return os.environ.get("LOGNAME") or os.environ.get("USER") or ""


_Step = Callable[[argparse.Namespace, Config, Directory, Output], Awaitable[int | None]]
_STEPS: Final[dict[str, _Step]] = {
    "search": _search,
    "check": _check,
    "import": _import,
    "add": _add,
    "remove": _remove,
    "show": _show,
}
