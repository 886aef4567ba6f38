"""The group account_chain."""

from typing import Any

from vectors.kit import DAY, NOW, Group, drbg, flip
from vectors.world import Person

from crypto import account, certificate, codec, holder, link, sign
from crypto.certificate import Certificate
from crypto.codec import Signed, b64
from crypto.holder import Holder
from crypto.link import Place
from crypto.secret import Secret

IDENTITY = b"\1" + bytes(31)  # the point of order 1: with R = [S]B every message is signed


def account_chain_group() -> Group:
    group = Group("account_chain", "links, acceptance, certificates, safety number (protocol.md 5)")
    person, registry = Person("chain"), sign.SigningKey(Secret(drbg("registry")(32)))
    group.ok("genesis and recovery code", "replay", links=person.links)
    group.ok("genesis alone", "replay", links=person.links[:1])
    _growth(group, person, registry)
    _malformed(group)
    _out_of_place(group)
    _signatures(group)
    _weak(group)
    _rules(group)
    _certificates(group, registry)
    other = Person("other")
    group.ok("safety number", "safety_number", mine=person.id, theirs=other.id)
    group.ok("safety number, other side", "safety_number", mine=other.id, theirs=person.id)
    return group


def _growth(group: Group, person: Person, registry: sign.SigningKey) -> None:
    known = person.links
    phone = holder.from_seed(Secret(person.random(32)), kind="device", name="Téléphone")
    passkey = holder.from_seed(Secret(person.random(32)), kind="passkey", name="")
    person.grow(account.add_holder, phone)
    person.grow(account.add_holder, passkey)
    person.grow(account.attest, _certificate(registry, person.id))
    person.grow(account.add_delegate, bytes(range(32)), scope="read", until=NOW + DAY)
    person.grow(account.remove_delegate, bytes(range(32)))
    person.grow(account.add_delegate, bytes(range(32)), scope="write", until=None)
    person.grow(account.retire_holder, passkey.id)
    group.ok("holders, certificate, delegate", "replay", links=person.links)
    person.grow(account.revoke_holder, phone.id, random=person.random)
    person.grow(account.rotate, random=person.random)
    group.ok("revoked and rotated", "replay", links=person.links)
    due = person.links[:-2]
    group.ok("rotation due", "replay", links=due)
    group.ok("longer", "reconcile", known=known, served=person.links)
    group.ok("the same", "reconcile", known=known, served=known)
    group.refused("shorter", "rollback", "reconcile", known=person.links, served=known)
    branch = Person("chain")
    branch.grow(account.rotate, random=person.random)
    group.refused("another history", "fork", "reconcile", known=person.links, served=[*known, branch.links[-1]])
    shorter = [known[0], account.retire_holder(branch.own, branch.code.holder().id, at=NOW).links[0]]
    group.refused("another history that does not even link", "not_next", "replay", links=shorter)
    group.refused("of another account", "wrong_account", "reconcile", known=known, served=Person("other").links)
    body = {"account": b64(bytes(range(32))), "scope": "read", "until": None}
    place = {"account": person.id, "position": 9, "previous": bytes(range(32))}
    given = {"type": "delegate_add", "body": body, "at": NOW}
    group.ok("a link made again", "write", **given, place=place, seeds=[person.seed])
    group.ok("a link with two signatures", "write", **given, place=place, seeds=[person.seed, bytes(32)])


def _edited(wire: bytes, *signers: Holder, **changes: Any) -> bytes:
    """A link whose JSON is changed by hand and signed again."""
    body = codec.decode(Signed.unpack(wire).body) | changes
    encoded = codec.encode(body)
    return Signed(encoded, tuple(each.sign.sign("link", encoded) for each in signers)).pack()


def _malformed(group: Group) -> None:
    me = Person("malformed")
    first, second = me.links
    key = me.device
    body = codec.decode(Signed.unpack(first).body)
    bad: dict[str, bytes] = {
        "a key too many": _edited(first, key, more=1),
        "unknown type": _edited(first, key, type="holder_steal"),
        "type of a later version": _edited(first, key, type="password_add"),
        "account id too short": _edited(first, key, account=b64(bytes(31))),
        "negative position": _edited(first, key, position=-1),
        "time as text": _edited(first, key, at="now"),
        "time before 1970": _edited(first, key, at=-1),
        "version as boolean": _edited(first, key, v=True),
        "kind of account": _edited(first, key, body={**body["body"], "kind": "server"}),
        "password holder": _edited(
            first, key, body={**body["body"], "holder": {**body["body"]["holder"], "kind": "password"}}
        ),
        "name too long": _edited(
            first, key, body={**body["body"], "holder": {**body["body"]["holder"], "name": "é" * 33}}
        ),
        "key too short": _edited(
            first, key, body={**body["body"], "holder": {**body["body"]["holder"], "sign": b64(bytes(31))}}
        ),
        "generation 0": _edited(first, key, body={**body["body"], "uk": {**body["body"]["uk"], "generation": 0}}),
        "cut": first[:-1],
        "something after": first + b"\0",
    }
    group.refused("no link", "bad_format", "replay", links=[])
    for name, wire in bad.items():
        group.refused(name, "bad_format", "replay", links=[wire])
    body.pop("at")
    encoded = codec.encode(body)
    missing = Signed(encoded, (key.sign.sign("link", encoded),)).pack()
    group.refused("a key missing", "bad_format", "replay", links=[missing])
    spaced = Signed.unpack(first).body.replace(b'"v":1', b'"v": 1')
    loose = Signed(spaced, (key.sign.sign("link", spaced),)).pack()
    group.refused("not canonical", "bad_format", "replay", links=[loose])
    group.refused("version 2", "unknown_version", "replay", links=[_edited(first, key, v=2)])
    group.refused("suite 2", "unknown_version", "replay", links=[_edited(first, key, suite=2)])
    group.refused(
        "suite 2 later", "unknown_version", "replay", links=[first, _edited(second, key, me.code.holder(), suite=2)]
    )


def _out_of_place(group: Group) -> None:
    me, other = Person("place"), Person("elsewhere")
    first, second = me.links
    paper = me.code.holder()
    group.refused("does not begin with a genesis", "not_next", "replay", links=[second])
    group.refused(
        "genesis with a predecessor", "not_next", "replay", links=[_edited(first, me.device, previous=b64(bytes(32)))]
    )
    group.refused("genesis at position 1", "not_next", "replay", links=[_edited(first, me.device, position=1)])
    named = _edited(first, me.device, account=b64(bytes(32)))
    group.refused("genesis that names an account", "wrong_account", "replay", links=[named])
    group.refused("the same link twice", "not_next", "replay", links=[first, second, second])
    group.refused("a gap", "not_next", "replay", links=[first, _edited(second, me.device, paper, position=2)])
    wrong = _edited(second, me.device, paper, previous=b64(bytes(32)))
    group.refused("another predecessor", "not_next", "replay", links=[first, wrong])
    group.refused("a link of another account", "not_next", "replay", links=[first, other.links[1]])
    foreign = _edited(second, me.device, paper, account=b64(other.id))
    group.refused("names another account", "wrong_account", "replay", links=[first, foreign])
    missing = _edited(second, me.device, paper, account=None)
    group.refused("names no account", "wrong_account", "replay", links=[first, missing])
    again = _edited(second, me.device, type="genesis", body=codec.decode(Signed.unpack(first).body)["body"])
    group.refused("a second genesis", "rule", "replay", links=[first, again])


def _signatures(group: Group) -> None:
    me, other = Person("signatures"), Person("stranger")
    first, second = me.links
    paper = me.code.holder()
    links = [first]
    group.refused("flipped signature", "bad_signature", "replay", links=[flip(first, -1)])
    group.refused("flipped body", "unknown_signer", "replay", links=[_edited(first, me.device, signer=b64(bytes(16)))])
    group.refused("genesis signed by another key", "bad_signature", "replay", links=[_edited(first, other.device)])
    group.refused("genesis signed twice", "bad_signature", "replay", links=[_edited(first, me.device, paper)])
    one = _edited(second, me.device)
    group.refused("the added holder did not sign", "bad_signature", "replay", links=[*links, one])
    group.refused(
        "another holder signed for it",
        "bad_signature",
        "replay",
        links=[*links, _edited(second, me.device, other.device)],
    )
    group.refused(
        "signatures in the wrong order", "bad_signature", "replay", links=[*links, _edited(second, paper, me.device)]
    )
    ghost = link.write(
        "holder_add",
        {"holder": other.device.public.plain()},
        me.own.chain.next_place,
        (other.device, other.device),
        at=NOW,
    )
    group.refused("a stranger adds itself", "unknown_signer", "replay", links=[*me.links, ghost])
    claimed = _edited(ghost, other.device, other.device, signer=b64(me.device.id))
    group.refused("a stranger signs in a holder's name", "bad_signature", "replay", links=[*me.links, claimed])
    second_signature = _edited(account.rotate(me.own, at=NOW, random=me.random).links[0], me.device, paper)
    group.refused(
        "a second signature where none belongs", "bad_signature", "replay", links=[*me.links, second_signature]
    )
    me.grow(account.retire_holder, paper.id)
    late = link.write(
        "delegate_add",
        {"account": b64(other.id), "scope": "read", "until": None},
        me.own.chain.next_place,
        (paper,),
        at=NOW,
    )
    group.refused("a retired holder signs", "unknown_signer", "replay", links=[*me.links, late])


class Everything:
    """Signs as the holder whose key is the point of order 1: R = [S]B does for every message."""

    def __init__(self) -> None:
        base = b"\x58" + b"\x66" * 31
        self.public = IDENTITY
        self._signature = base + (1).to_bytes(32, "little")

    def sign(self, _name: str, _data: bytes) -> bytes:
        return self._signature


def _weak(group: Group) -> None:
    me = Person("weak")
    weak = Holder("device", "", Everything(), me.device.enc)  # type: ignore[arg-type]
    body = {"kind": "user", "holder": weak.public.plain(), "uk": {"enc": b64(me.own.chain.uk), "generation": 1}}
    group.refused(
        "genesis with a key that signs everything",
        "weak_key",
        "replay",
        links=[link.write("genesis", body, Place(), (weak,), at=NOW)],
    )
    added = link.write(
        "holder_add", {"holder": weak.public.plain()}, me.own.chain.next_place, (me.device, weak), at=NOW
    )
    group.refused("added key that signs everything", "weak_key", "replay", links=[*me.links, added])
    bad = b"\xff" * 1152 + me.device.enc.public[1152:]
    uk = {"uk": {"enc": b64(bad), "generation": 2}}
    rotated = link.write("uk_rotate", uk, me.own.chain.next_place, (me.device,), at=NOW)
    group.refused("user key out of range", "weak_key", "replay", links=[*me.links, rotated])
    genesis = {**body, "holder": {**me.device.public.plain(), "enc": b64(bad)}}
    unsigned = link.write("genesis", genesis, Place(), (me.device,), at=NOW)
    group.refused("genesis of another holder id", "unknown_signer", "replay", links=[unsigned])


def _rules(group: Group) -> None:
    me = Person("rules")
    paper, first = me.code.holder(), me.links

    def wrong(name: str, kind: str, body: dict[str, Any], *signers: Holder) -> None:
        made = link.write(kind, body, me.own.chain.next_place, signers or (me.device,), at=NOW)
        group.refused(name, "rule", "replay", links=[*me.links, made])

    genesis = codec.decode(Signed.unpack(first[0]).body)["body"]
    paper_genesis = {**genesis, "holder": paper.public.plain()}
    group.refused(
        "an account that begins with paper",
        "rule",
        "replay",
        links=[link.write("genesis", paper_genesis, Place(), (paper,), at=NOW)],
    )
    second = {**genesis, "uk": {**genesis["uk"], "generation": 2}}
    group.refused(
        "an account that begins with generation 2",
        "rule",
        "replay",
        links=[link.write("genesis", second, Place(), (me.device,), at=NOW)],
    )
    wrong("a holder twice", "holder_add", {"holder": paper.public.plain()}, me.device, paper)
    wrong("a holder that is not there", "holder_retire", {"holder": b64(bytes(16))})
    wrong("a holder that revokes itself", "holder_revoke", {"holder": b64(me.device.id)})
    wrong("generation 3 after 1", "uk_rotate", {"uk": {"enc": b64(paper.enc.public), "generation": 3}})
    wrong("generation 1 again", "uk_rotate", {"uk": {"enc": b64(paper.enc.public), "generation": 1}})
    wrong("the old user key again", "uk_rotate", {"uk": {"enc": b64(me.own.chain.uk), "generation": 2}})
    wrong("itself as delegate", "delegate_add", {"account": b64(me.id), "scope": "read", "until": None})
    wrong("a delegate that is none", "delegate_remove", {"account": b64(bytes(32))})
    me.grow(account.add_delegate, bytes(32), scope="read", until=None)
    wrong("a delegate twice", "delegate_add", {"account": b64(bytes(32)), "scope": "write", "until": None})
    me.grow(account.retire_holder, paper.id)
    wrong("the last holder", "holder_retire", {"holder": b64(me.device.id)})
    wrong("a retired holder again", "holder_add", {"holder": paper.public.plain()}, me.device, paper)
    wrong("retired twice", "holder_retire", {"holder": b64(paper.id)})
    phone = holder.from_seed(Secret(me.random(32)), kind="device", name="")
    me.grow(account.add_holder, phone)
    revoked = link.write("holder_revoke", {"holder": b64(phone.id)}, me.own.chain.next_place, (me.device,), at=NOW)
    chain = me.own.chain.accept(revoked)
    early = link.write("delegate_remove", {"account": b64(bytes(32))}, chain.next_place, (me.device,), at=NOW)
    group.refused("something else before the rotation", "rule", "replay", links=[*me.links, revoked, early])


def _certificate(registry: sign.SigningKey, who: bytes, **changes: Any) -> bytes:
    plain = {
        "account": who,
        "at": NOW,
        "identifier": "10100001230",
        "name": "Dr Claire Martin",
        "profession": "10",
        "source": "operator",
    }
    plain["identifier"] = _rpps("1010000123")
    return certificate.issue(registry, Certificate(**{**plain, **changes}))


def _rpps(ten: str) -> str:
    return next(ten + str(key) for key in range(10) if certificate.is_rpps(ten + str(key)))


def _certificates(group: Group, registry: sign.SigningKey) -> None:
    me, other = Person("certified"), sign.SigningKey(Secret(drbg("another registry")(32)))
    wire = _certificate(registry, me.id)
    given = {"certificate": wire, "registry": registry.public, "account": me.id}
    group.ok("certificate", "certificate", **given)
    group.refused(
        "certificate of another registry", "bad_signature", "certificate", **{**given, "registry": other.public}
    )
    group.refused("certificate flipped", "bad_signature", "certificate", **{**given, "certificate": flip(wire, -1)})
    group.refused("certificate of another account", "wrong_account", "certificate", **{**given, "account": bytes(32)})

    def edited(**changes: Any) -> bytes:
        encoded = codec.encode(codec.decode(Signed.unpack(wire).body) | changes)
        return Signed(encoded, (registry.sign("certificate", encoded),)).pack()

    bad = {
        "wrong Luhn key": edited(identifier=_rpps("1010000123")[:-1] + str((int(_rpps("1010000123")[-1]) + 1) % 10)),
        "short number": edited(identifier="1010000123"),
        "digits of another script": edited(identifier="\u0661" * 11),
        "control character in the name": edited(name="Dr\nClaire"),
        "empty name": edited(name=""),
        "long name": edited(name="é" * 61),
        "profession in letters": edited(profession="AB"),
        "another source": edited(source="self"),
        "another type": edited(type="patient"),
        "a key too many": edited(more=1),
    }
    for name, changed in bad.items():
        group.refused(f"certificate: {name}", "bad_format", "certificate", **{**given, "certificate": changed})
    group.refused("certificate of version 2", "unknown_version", "certificate", **{**given, "certificate": edited(v=2)})
    stolen = link.write(
        "attest", {"certificate": b64(_certificate(registry, bytes(32)))}, me.own.chain.next_place, (me.device,), at=NOW
    )
    group.refused("attested: certificate of another account", "rule", "replay", links=[*me.links, stolen])
    broken = link.write("attest", {"certificate": b64(wire[:-1])}, me.own.chain.next_place, (me.device,), at=NOW)
    group.refused("attested: broken certificate", "bad_format", "replay", links=[*me.links, broken])
