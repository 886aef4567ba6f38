"""``account`` and ``contacts``."""

import argparse
from typing import Any

from bridges.kit import accounts, claims, holders
from bridges.kit.api import Api
from bridges.kit.client import Client
from bridges.kit.home import Home
from bridges.kit.wire import Person, to_text
from bridges.kit.words import PROFESSIONS, say, word
from bridges.terminal.entry import HOLDER, alone, beginning, entered, read_id
from bridges.terminal.output import Output


async def account(args: argparse.Namespace, out: Output) -> None:
    """Run one of the actions of ``account``."""
    await _ACTIONS[args.action](args, out)


async def _create(args: argparse.Namespace, out: Output) -> None:
    begin = beginning(args)
    begin.home.prepare()
    async with alone(begin.home, out):
        made = await accounts.create(begin, args.link)
    out.answer({"account": to_text(made.account), "recovery_code": made.recovery_code}, _keep_code(made.recovery_code))


async def _claim(args: argparse.Namespace, out: Output) -> None:
    ticket = claims.Ticket.read(link=args.link, code=args.code)
    if Home(args.home).server is not None:
        async with entered(args, out) as client:
            taken = await claims.claim_with(client.device, ticket)
    else:
        begin = beginning(args)
        begin.home.prepare()
        async with alone(begin.home, out):
            taken = await claims.claim(begin, ticket)
    code, conversation = taken.recovery_code, to_text(taken.conversation)
    answer = {"account": to_text(taken.account), "recovery_code": code, "conversations": [conversation]}
    joined = say(f"Conversation : {conversation}", f"Conversation: {conversation}")
    out.answer(answer, f"{joined}\n{_keep_code(code)}" if code else joined)


async def _recover(args: argparse.Namespace, out: Output) -> None:
    begin = beginning(args)
    accounts.read_recovery(args.code)
    begin.home.prepare()
    async with alone(begin.home, out):
        found = await accounts.recover(begin, args.code)
    async with entered(args, out) as client:
        ids = [to_text(each.conversation) for each in await client.device.api.conversations()]
    back = say(f"Compte retrouvé, {len(ids)} conversation(s).", f"Account recovered, {len(ids)} conversation(s).")
    out.answer({"account": to_text(found), "conversations": ids}, back)


async def _show(args: argparse.Namespace, out: Output) -> None:
    async with entered(args, out) as client:
        own, certificate = client.device.own, client.device.directory.certificate(client.device.id)
        holders = [{"id": to_text(k), "kind": h.kind, "name": h.name} for k, h in own.chain.active_holders.items()]
        answer: dict[str, Any] = {
            "account": to_text(own.id),
            "holder": to_text(own.holder.id),
            "holders": holders,
            "server": client.device.home.server,
            "name": certificate.name if certificate else None,
            "profession": certificate.profession if certificate else None,
            "identifier": certificate.identifier if certificate else None,
            "verified": certificate is not None,
        }
    who = f"{certificate.name}, {word(PROFESSIONS, certificate.profession)}\n" if certificate else ""
    listed = "\n".join(f"  {each['kind']:9} {each['name']}" for each in holders)
    out.answer(answer, f"{who}{answer['account']}\n{answer['server']}\n{listed}")


async def _devices(args: argparse.Namespace, out: Output) -> None:
    async with entered(args, out) as client:
        found = holders.ways_in(client.device.own)
    listed = [{"id": to_text(w.id), "kind": w.kind, "name": w.name, "state": w.state, "this": w.this} for w in found]
    here = say("  (cet appareil)", "  (this device)")
    lines = (f"{w['id']}  {w['kind']:9} {w['state']:8} {w['name']}{here if w['this'] else ''}" for w in listed)
    out.answer({"devices": listed}, "\n".join(lines))


async def _revoke(args: argparse.Namespace, out: Output) -> None:
    holder = read_id(args.device, HOLDER)
    async with entered(args, out) as client:
        generation = await holders.revoke(client.device, holder)
    fr = "Révoqué. Ce qui sera écrit désormais lui est fermé ; ce qu'il a déjà lu ne peut être repris."
    en = "Revoked. What is written from now on is closed to it; what it has read cannot be taken back."
    out.answer({"revoked": to_text(holder), "generation": generation}, say(fr, en))


async def _settings(args: argparse.Namespace, out: Output) -> None:
    async with entered(args, out) as client:
        accepts = args.accepts_patients == "yes"
        await client.device.api.settings({"accepts_patients": accepts})
    out.answer({"accepts_patients": accepts}, say("C'est noté.", "Done."))


async def contacts(args: argparse.Namespace, out: Output) -> None:
    """Search the directory, or list the people of the own conversations."""
    async with entered(args, out) as client:
        api: Api = client.device.api
        if args.pharmacies:
            people = [_person(each) for each in await api.pharmacies()]
        elif args.words:
            people = [_person(each) for each in await api.directory(args.words)]
        else:
            people = await _known(client)
    lines = (f"{p['account']}  {p['name']}  {word(PROFESSIONS, p['profession'] or '')}" for p in people)
    out.answer({"contacts": people}, "\n".join(lines) or say("Personne.", "Nobody."))


def _person(person: Person) -> dict[str, Any]:
    """Describe a search result: what the server says, not verified until a chain is read."""
    return {
        "account": to_text(person.account),
        "name": person.name,
        "profession": person.profession,
        "identifier": person.identifier,
    }


async def _known(client: Client) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    me = to_text(client.device.id)
    for summary in await client.overview():
        for member in summary["members"]:
            if member["account"] not in {None, me}:
                wanted = ("account", "name", "profession", "identifier", "verified")
                found[member["account"]] = {name: member[name] for name in wanted}
    return list(found.values())


def _keep_code(code: str) -> str:
    fr = f"Code de récupération (à noter et garder en lieu sûr, il ne sera plus montré) :\n\n    {code}\n"
    en = f"Recovery code (write it down and keep it safe, it is not shown again):\n\n    {code}\n"
    return say(fr, en)


_ACTIONS = {
    "claim": _claim,
    "create": _create,
    "devices": _devices,
    "recover": _recover,
    "revoke": _revoke,
    "settings": _settings,
    "show": _show,
}
