"""``pli-bridge mail --config FILE`` and what looks at a bridge: doctor, quarantine, patients."""

import argparse
import asyncio
import base64
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from bridges.kit.client import Client
from bridges.kit.device import connected
from bridges.kit.errors import KitError, RefusedError, UnreachableError, UsageError
from bridges.kit.home import Home
from bridges.kit.messages import Draft
from bridges.kit.wire import from_text, to_text
from bridges.kit.words import say
from bridges.mail import process
from bridges.mail.advice import advice
from bridges.mail.config import Box, Config, load
from bridges.mail.delivering import probe
from bridges.mail.directory.commands import probe as probe_directory
from bridges.mail.imap import ImapError
from bridges.mail.inbox import Inbox
from bridges.mail.life import Lives
from bridges.mail.mailbox import EntryError, entered
from bridges.mail.outgoing import Outgoing
from bridges.mail.patients import Known, Patients, Person
from bridges.mail.pdf_a.converting import version
from bridges.mail.state import FILE, State
from bridges.mail.submission import RefusedError as NotSentError
from bridges.mail.voice import opening
from bridges.mail.ways import Ways, beside
from bridges.terminal.entry import entered_shared, read_passphrase
from bridges.terminal.output import Output

REFUSED: Final = 3  # exit code: the answer is no
_PAUSE: Final = 5.0  # seconds before the server is asked again at the beginning


def config_of(args: argparse.Namespace) -> Config:
    """Read the configuration that a command names, and let its home and server count."""
    if args.config is None:
        raise UsageError("usage", "--config FILE")
    config = load(args.config)
    args.home, args.server = config.home, config.server or Home(config.home).server
    return config


# --- running ----------------------------------------------------------------------------------------------------------


async def run(args: argparse.Namespace, out: Output) -> int:
    """Run until a signal says to stop; 0 then."""
    config = config_of(args)
    Home(config.home).require()
    task = asyncio.create_task(_run(config, args, out))
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0


async def _run(config: Config, args: argparse.Namespace, out: Output) -> None:
    while True:
        try:
            async with _desk(config, args, out) as desk:
                out.tell(say("Le pont est en marche.", "The bridge is running."))
                await process.run(desk)
        except UnreachableError as error:
            out.tell(say(f"Serveur injoignable ({error.code}).", f"The server cannot be reached ({error.code})."))
        await asyncio.sleep(_PAUSE)


@asynccontextmanager
async def _desk(config: Config, args: argparse.Namespace, out: Output) -> AsyncIterator[process.Desk]:
    async with entered_shared(args, out) as client, process.opened(config, client, Home(config.home)) as desk:
        yield desk


# --- looking ----------------------------------------------------------------------------------------------------------


@contextmanager
def state_of(config: Config) -> Iterator[State]:
    """Open the state of a bridge that may be running."""
    home = Home(config.home)
    home.require()
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = home.keystore(read_passphrase)
    state = State(config.state / FILE, seal=keys.seal, unseal=keys.open)
    try:
        yield state
    finally:
        state.close()


async def doctor(args: argparse.Namespace, out: Output) -> int:
    """Try everything the bridge needs, and say how it is; exit code 3 when something is wrong."""
    config = config_of(args)
    checks = [await _server_check(config), await _pdf_check(config)]
    ways = beside(config.state)
    for box in config.box:
        checks += [await _box_check(box, ways), await _way_check(box, ways)]
    with process.directory_of(config) as directory:
        checks += [_advised(each) for each in await probe_directory(directory)]
    with state_of(config) as state:
        answer = {"checks": checks, "lives": _lives(state), "boxes": [_counts(state, box) for box in config.box]}
    words = (f"{'ok ' if each['ok'] else 'KO '} {each['check']} {each['detail']} {each['advice']}" for each in checks)
    out.answer(answer, "\n".join(words))
    return 0 if all(each["ok"] for each in checks) else REFUSED


async def _server_check(config: Config) -> dict[str, Any]:
    server = config.server or Home(config.home).server
    try:
        async with connected(server or "") as api:
            await api.server()
    except KitError as error:
        return _check("server", ok=False, detail=error.code)
    return _check("server", ok=True)


async def _pdf_check(config: Config) -> dict[str, Any]:
    """Say whether documents leave as PDF/A-1; they leave in any case, so this never fails."""
    found = await version() if config.pdf_a else "off"
    return _check("pdf/a", ok=True, detail=found or "no_program") | {"advice": "" if found else advice("no_program")}


async def _box_check(box: Box, ways: Ways) -> dict[str, Any]:
    if box.imap is None:
        return _check(f"{box.name}: mailbox", ok=True, detail="no imap")
    try:
        async with entered(box, ways) as (imap, server):
            await imap.select(server.folder)
    except (EntryError, ImapError) as error:
        return _check(f"{box.name}: mailbox", ok=False, detail=str(error))
    return _check(f"{box.name}: mailbox", ok=True, detail=f"{server.host}:{server.port} {server.security}")


async def _way_check(box: Box, ways: Ways) -> dict[str, Any]:
    if box.deliver == "append":
        return _check(f"{box.name}: delivery", ok=True, detail="append")
    try:
        where = await probe(box, ways)
    except NotSentError as error:
        return _check(f"{box.name}: delivery", ok=False, detail=error.text)
    return _check(f"{box.name}: delivery", ok=True, detail=where)


def _check(name: str, *, ok: bool, detail: str = "") -> dict[str, Any]:
    return _advised({"check": name, "ok": ok, "detail": detail})


def _advised(check: dict[str, Any]) -> dict[str, Any]:
    return check | {"advice": "" if check["ok"] else advice(check["detail"])}


def _lives(state: State) -> list[dict[str, Any]]:
    return [
        {
            "part": each.part,
            "box": each.box,
            "condition": each.condition,
            "reason": each.reason,
            "advice": advice(each.reason),
            "since": _moment(each.since),
            "next_at": _moment(each.next_at) if each.next_at else None,
            "tries": each.tries,
        }
        for each in Lives(state).all()
    ]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _counts(state: State, box: Box) -> dict[str, Any]:
    mails, leaving = Inbox(state).counts(box.name), Outgoing(state).counts(box.name)
    return {
        "name": box.name,
        "address": box.address,
        "mails": mails,
        "outgoing": leaving,
        "pdf_a": Outgoing(state).pdf_counts(box.name),
    }


# --- quarantine -------------------------------------------------------------------------------------------------------


async def quarantine(args: argparse.Namespace, out: Output) -> None:
    """List, show or replay the mails kept aside."""
    config = config_of(args)
    with state_of(config) as state:
        inbox = Inbox(state)
        if args.step == "list":
            _list(inbox, out)
        elif args.step == "show":
            _show(inbox, args.mail, out)
        else:
            count = sum(inbox.replay(box.name, args.mail) for box in config.box)
            out.answer({"replayed": count}, str(count))


def _list(inbox: Inbox, out: Output) -> None:
    names = ("mail", "box", "uid", "reason")
    found = [dict(zip(names, each, strict=True)) for each in inbox.set_aside()]
    out.answer({"quarantine": found}, "\n".join(f"{each['mail']}  {each['box']}  {each['reason']}" for each in found))


def _show(inbox: Inbox, mail: int, out: Output) -> None:
    taken = inbox.show(mail)
    if taken is None:
        raise RefusedError("not_found", "no bytes of such a mail are kept")
    answer = {"mail": taken.id, "box": taken.source.box, "uid": taken.source.uid, "bytes": len(taken.raw)}
    raw = base64.b64encode(taken.raw).decode()
    out.answer({**answer, "raw": raw}, taken.raw.decode("utf-8", "backslashreplace"))


# --- patients ---------------------------------------------------------------------------------------------------------


async def patients(args: argparse.Namespace, out: Output) -> None:
    """List or change the directory of a bridge."""
    config = config_of(args)
    if args.step == "list":
        with _directory(config) as known:
            found = [_patient(each) for each in known.all()]
        out.answer({"patients": found}, "\n".join(f"{each['ins']}  {each['name']}  {each['status']}" for each in found))
    elif args.step == "status":
        with _directory(config) as known:
            _set_status(known, args, out)
    else:
        await _add(config, args, out)


@contextmanager
def _directory(config: Config) -> Iterator[Patients]:
    keys = Home(config.home).keystore(read_passphrase)
    with state_of(config) as state:
        yield Patients(state, process.hider(keys), config.own_domains)


def _set_status(known: Patients, args: argparse.Namespace, out: Output) -> None:
    found = known.find(args.ins)
    if found is None:
        raise RefusedError("not_found", "no such patient")
    known.set_status(found.id, args.status)
    out.answer({"ins": args.ins, "status": args.status}, args.status)


async def _add(config: Config, args: argparse.Namespace, out: Output) -> None:
    person = Person(
        ins=args.ins.upper(),
        ins_oid=args.oid,
        birth_name=args.birth_name,
        first_name=args.first_name,
        birth_date=args.birth_date,
        sex=args.sex,
    )
    async with _desk(config, args, out) as desk:
        answer = await _invited(desk, config, person) if args.account is None else {}
        account = from_text(args.account) if args.account else b""
        try:
            desk.patients.learn(person, account=account, invited=from_text(answer.get("conversation", "")))
        except ValueError as error:
            raise UsageError("usage", str(error)) from None
    shown = "\n".join(answer[name] for name in ("invitation_link", "invitation_code") if name in answer)
    out.answer({"ins": person.ins, **answer}, shown or person.ins)


async def _invited(desk: process.Desk, config: Config, person: Person) -> dict[str, str]:
    """Invite somebody who has no account: link and code are for the hand of the patient."""
    draft = Draft(opening(config.box[0], None), reply="none")  # nobody would read an answer before the first mail
    async with desk.voice.alone():
        client: Client = desk.client
        invited = await client.starting.invite(person.shown, "Messages MSSanté", draft, days=30)
    return {
        "conversation": to_text(invited.started.conversation),
        "invitation_link": invited.link,
        "invitation_code": invited.code,
    }


def _patient(known: Known) -> dict[str, Any]:
    return {
        "ins": known.person.ins,
        "name": known.person.shown,
        "account": to_text(known.account) if known.account else None,
        "invited": bool(known.invited),
        "status": known.status,
    }
