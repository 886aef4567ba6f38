"""Operations of the groups conversation_chain, backlinks and invitations."""

from dataclasses import replace
from typing import Any

from crypto import conversation, epoch, epoch_record, holder, invitation, rotation
from crypto.account_chain import AccountChain
from crypto.codec import Signed, unb64
from crypto.conversation_chain import Accounts, ConversationChain
from crypto.epoch import EpochKeys, Opener, Roster
from crypto.secret import Secret
from crypto.user_secret import UserSecret

Plain = dict[str, Any]


def accounts_of(given: Plain, shared: Plain) -> Accounts:
    """The named accounts of the file."""
    chains = (AccountChain.replay(unb64(wire) for wire in shared["accounts"][name]) for name in given["accounts"])
    return {chain.id: chain for chain in chains}


def records_of(given: Plain, shared: Plain) -> list[bytes]:
    """The named records of the file."""
    return [unb64(shared["records"][name]) for name in given["records"]]


def _chain(given: Plain, shared: Plain) -> ConversationChain:
    chain = ConversationChain()
    accounts = accounts_of(given, shared)
    for wire in records_of(given, shared):
        chain = chain.accept(wire, accounts, settled=True)
    return chain


def _accept(given: Plain, shared: Plain) -> Plain:
    chain = _chain(given, shared)
    chain = chain.accept(unb64(given["record"]), accounts_of(given, shared), settled=given["settled"])
    members = [
        {
            "id": each.id,
            "kind": each.kind,
            "role": each.role,
            "history": each.history,
            "position": each.position,
            "generation": each.generation,
            "expires": each.expires,
        }
        for each in chain.head.draft.members
    ]
    return {"conversation": chain.id, "epoch": chain.epoch, "head": chain.head.hash, "members": members}


def _reconcile(given: Plain, shared: Plain) -> Plain:
    accounts = accounts_of(given, shared)
    known, served = (
        ConversationChain.replay((unb64(shared["records"][name]) for name in given[which]), accounts)
        for which in ("known", "served")
    )
    return {"epoch": known.reconcile(served).epoch}


def _sign(given: Plain, _: Plain) -> Plain:
    device = holder.from_seed(Secret(unb64(given["seed"])), kind="device", name="")
    body = unb64(given["body"])
    wire = Signed(body, (device.sign.sign("epoch", body),)).pack()
    return {"wire": wire, "hash": epoch_record.read(wire).hash}


def _rotation_due(given: Plain, shared: Plain) -> Plain:
    chain, accounts = _chain(given, shared), accounts_of(given, shared)
    due = rotation.due(chain, accounts, unb64(given["member"]), at=given["at"], events=given["events"])
    return {"due": due}


def _opener(given: Plain) -> Opener:
    if given["invitation"]:
        return invitation.from_secret(Secret(unb64(given["invitation"]))).opening_key
    secrets = {int(g): UserSecret(int(g), Secret(unb64(uks))) for g, uks in given["uks"].items()}
    return lambda generation: secrets[generation].opening_key()


def _open_epochs(given: Plain, shared: Plain) -> Plain:
    chain = _chain(given, shared)
    boxes = {int(number): unb64(box) for number, box in given["boxes"].items()}
    keyring = epoch.open_epochs(chain, unb64(given["member"]), _opener(given), boxes)
    return {"epochs": [_plain_keys(keyring[number]) for number in sorted(keyring)]}


def _plain_keys(keys: EpochKeys) -> Plain:
    return {"epoch": keys.epoch, "cek": keys.cek.reveal(), "lk": keys.lk.reveal() if keys.lk else None}


def read_keys(plain: Plain) -> EpochKeys:
    """Keys as the vectors tell them."""
    return EpochKeys(plain["epoch"], Secret(unb64(plain["cek"])), Secret(unb64(plain["lk"])) if plain["lk"] else None)


def _commits(given: Plain, _: Plain) -> Plain:
    keys = read_keys(given["keys"])
    return {"commit": keys.commit, "link_commit": keys.link_commit}


def _seal_backlink(given: Plain, _: Plain) -> Plain:
    keys, previous = read_keys(given["keys"]), read_keys(given["previous"])
    return {"backlink": epoch.seal_backlink(unb64(given["conversation"]), keys, previous)}


def _seal_roster(given: Plain, _: Plain) -> Plain:
    people = {unb64(each["member"]): each["name"] for each in given["people"]}
    return {"roster": epoch.seal_roster(read_keys(given["keys"]), Roster(given["subject"], people))}


def _open_roster(given: Plain, shared: Plain) -> Plain:
    record = epoch_record.read(unb64(shared["records"][given["record"]]))
    draft = replace(record.draft, roster=unb64(given["roster"])) if given["roster"] else record.draft
    opened = epoch.open_roster(read_keys(given["keys"]), replace(record, draft=draft))
    return opened.plain()


def _derive(given: Plain, _: Plain) -> Plain:
    invited = invitation.from_secret(Secret(unb64(given["secret"])))
    return {"id": invited.id, "sign": invited.public.sign, "enc": invited.public.enc, "member": invited.member}


def _link(given: Plain, _: Plain) -> Plain:
    invited = invitation.from_secret(Secret(unb64(given["secret"])))
    return {"link": invited.link(given["url"], unb64(given["inviter"]))}


def _read_link(given: Plain, _: Plain) -> Plain:
    carried = invitation.read_link(given["link"])
    return {"secret": carried.invitation.secret.reveal(), "inviter": carried.inviter, "url": carried.url}


def _claim(given: Plain, _: Plain) -> Plain:
    invited = invitation.from_secret(Secret(unb64(given["secret"])))
    names = ("account", "conversation", "previous")
    account, where, previous = (unb64(given[name]) for name in names)
    return {"signature": invited.claim(account=account, conversation=where, previous=previous).signature}


def _require_inviter(given: Plain, shared: Plain) -> Plain:
    conversation.require_inviter(_chain(given, shared), unb64(given["inviter"]))
    return {}


def _require_open(given: Plain, shared: Plain) -> Plain:
    chain = _chain(given, shared)
    invitation.require_open(chain.members[unb64(given["member"])], at=given["at"])
    return {}


OPERATIONS = {
    "conversation_chain": {"accept": _accept, "reconcile": _reconcile, "sign": _sign, "rotation_due": _rotation_due},
    "backlinks": {
        "open_epochs": _open_epochs,
        "commits": _commits,
        "seal_backlink": _seal_backlink,
        "seal_roster": _seal_roster,
        "open_roster": _open_roster,
    },
    "invitations": {
        "derive": _derive,
        "link": _link,
        "read_link": _read_link,
        "claim": _claim,
        "accept": _accept,
        "require_inviter": _require_inviter,
        "require_open": _require_open,
    },
}
