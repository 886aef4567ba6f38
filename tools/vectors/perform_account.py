"""Operations of the groups user_secret and account_chain."""

from typing import Any

from crypto import certificate, holder, link, safety_number, user_secret
from crypto.account_chain import AccountChain
from crypto.codec import unb64
from crypto.secret import Secret
from crypto.user_secret import UserSecret

Plain = dict[str, Any]


def _derive(given: Plain, _: Plain) -> Plain:
    secret = UserSecret(1, Secret(unb64(given["uks"])))
    return {"uk": secret.opening_key().public, "us": secret.symmetric().reveal()}


def _open_box(given: Plain, _: Plain) -> Plain:
    key = holder.from_seed(Secret(unb64(given["seed"])), kind="device", name="")
    opened = user_secret.open_box(
        key.enc,
        unb64(given["box"]),
        account=unb64(given["account"]),
        generation=given["generation"],
        holder=key.id,
        uk=unb64(given["uk"]),
    )
    return {"uks": opened.secret.reveal()}


def _seal_previous(given: Plain, _: Plain) -> Plain:
    newer = UserSecret(given["generation"], Secret(unb64(given["newer"])))
    older = UserSecret(given["generation"] - 1, Secret(unb64(given["older"])))
    return {"sealed": newer.seal_previous(unb64(given["account"]), older)}


def _open_previous(given: Plain, _: Plain) -> Plain:
    newer = UserSecret(given["generation"], Secret(unb64(given["newer"])))
    opened = newer.open_previous(unb64(given["account"]), unb64(given["sealed"]), unb64(given["uk"]))
    return {"uks": opened.secret.reveal()}


def _seal_own(given: Plain, _: Plain) -> Plain:
    secret = UserSecret(1, Secret(unb64(given["uks"])))
    nonce = unb64(given["nonce"])
    return {"sealed": secret.seal_own(given["name"], unb64(given["data"]), lambda _: nonce)}


def _open_own(given: Plain, _: Plain) -> Plain:
    secret = UserSecret(1, Secret(unb64(given["uks"])))
    return {"data": secret.open_own(given["name"], unb64(given["sealed"]))}


def _replay(given: Plain, _: Plain) -> Plain:
    return describe(AccountChain.replay(unb64(wire) for wire in given["links"]))


def describe(chain: AccountChain) -> Plain:
    """The state of a chain, as the vectors tell it."""
    holders = [
        {
            "id": key,
            "kind": each.public.kind,
            "name": each.public.name,
            "added_at": each.term.added_at,
            "ended_at": each.term.ended_at,
            "revoked": each.revoked,
        }
        for key, each in chain.holders.items()
    ]
    delegates = [
        {"account": key, "scope": each.scope, "until": each.until} for key, each in chain.active_delegates.items()
    ]
    return {
        "account": chain.id,
        "kind": chain.kind,
        "position": chain.position,
        "head": chain.head,
        "generation": chain.generation,
        "uk": chain.uk,
        "holders": sorted(holders, key=lambda each: each["added_at"]),
        "delegates": sorted(delegates, key=lambda each: each["account"]),
        "certificate": chain.certificate,
        "rotation_due": chain.rotation_due,
    }


def _reconcile(given: Plain, _: Plain) -> Plain:
    known = AccountChain.replay(unb64(wire) for wire in given["known"])
    served = AccountChain.replay(unb64(wire) for wire in given["served"])
    return {"position": known.reconcile(served).position}


def _write(given: Plain, _: Plain) -> Plain:
    place = given["place"]
    account, previous = (unb64(place[name]) if place[name] else None for name in ("account", "previous"))
    signers = tuple(holder.from_seed(Secret(unb64(seed)), kind="device", name="") for seed in given["seeds"])
    where = link.Place(account, place["position"], previous)
    return {"wire": link.write(given["type"], given["body"], where, signers, at=given["at"])}


def _certificate(given: Plain, _: Plain) -> Plain:
    wire, registry, account = (unb64(given[name]) for name in ("certificate", "registry", "account"))
    read = certificate.verify(wire, registry=registry, account=account)
    return {"identifier": read.identifier, "name": read.name, "profession": read.profession}


def _safety_number(given: Plain, _: Plain) -> Plain:
    return {"number": safety_number.compute(unb64(given["mine"]), unb64(given["theirs"]))}


OPERATIONS = {
    "user_secret": {
        "derive": _derive,
        "open_box": _open_box,
        "seal_previous": _seal_previous,
        "open_previous": _open_previous,
        "seal_own": _seal_own,
        "open_own": _open_own,
    },
    "account_chain": {
        "replay": _replay,
        "reconcile": _reconcile,
        "write": _write,
        "certificate": _certificate,
        "safety_number": _safety_number,
    },
}
