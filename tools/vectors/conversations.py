"""The group conversation_chain."""

from dataclasses import replace
from typing import Any

from vectors import rotation
from vectors.kit import DAY, NOW, Group, drbg, flip
from vectors.world import Person, World, draft_of, joined, member_of, rebody, redraft, remember, without

from crypto import account, conversation, holder, invitation
from crypto.codec import Signed, b64
from crypto.conversation import NewEpoch, invited_seat, seat
from crypto.epoch import Roster
from crypto.epoch_record import Member, write
from crypto.secret import Secret
from crypto.suite import sha256

EVERYBODY = ["claire", "karim", "jean", "nora", "mallory"]


class Story:
    """Adds cases: a chain of known records, then one more."""

    def __init__(self, group: Group, world: World) -> None:
        self.group, self.world = group, world

    def given(self, after: str | None, record: bytes, **more: Any) -> dict[str, Any]:
        """``after``: the name of the last known record; ``None`` for none."""
        names = self.world.names
        known = names[: names.index(after) + 1] if after else []
        return {"accounts": EVERYBODY, "records": known, "record": record, "settled": False, **more}

    def ok(self, name: str, after: str | None, record: bytes, **more: Any) -> None:
        """A record that is accepted."""
        self.group.ok(name, "accept", **self.given(after, record, **more))

    def no(self, name: str, code: str, after: str | None, record: bytes, **more: Any) -> None:
        """A record that is refused."""
        self.group.refused(name, code, "accept", **self.given(after, record, **more))


def conversation_chain_group() -> Group:
    world = World()
    group = Group(
        "conversation_chain", "records, who may change what, acceptance (protocol.md 6.2 to 6.4)", world.shared()
    )
    story = Story(group, world)
    names = world.names
    for before, name in zip([None, *names[:-1]], names, strict=True):
        story.ok(f"{name} accepted", before, world.epochs[name].record)
    _form(story)
    _order(story)
    _authors(story)
    _pins(story)
    _permission(story)
    _permission_of_others(story)
    _own_chains(group)
    rotation.add_cases(group, world)
    return group


def _form(story: Story) -> None:
    claire, record = story.world.claire.device, story.world.epochs["create"].record
    invite = story.world.invited.member
    later, me = story.world.epochs["add"].record, story.world.claire.id

    def edit(name: str, **changes: Any) -> None:
        story.no(name, "bad_format", None, rebody(record, claire, lambda body: body.update(changes)))

    def edit_member(name: str, member: bytes, **changes: Any) -> None:
        def change(body: dict[str, Any]) -> None:
            next(each for each in body["members"] if each["id"] == b64(member)).update(changes)

        story.no(name, "bad_format", None, rebody(record, claire, change))

    edit("a key too many", more=1)
    edit("unknown reason", reason="merge")
    edit("epoch 0", epoch=0)
    edit("no member", members=[])
    edit("a checkpoint", checkpoint={})
    edit("first epoch with a predecessor", previous=b64(bytes(32)))
    edit("first epoch with a conversation", conversation=b64(bytes(32)))
    edit("first epoch with a backlink", backlink=b64(bytes(80)))
    edit("commit too short", commit=b64(bytes(31)))
    edit(
        "a claim without its reason", claim=story.world.invited.claim(account=me, conversation=me, previous=me).plain()
    )
    edit_member("unknown role", me, role="admin")
    edit_member("an account that expires", me, expires=NOW)
    edit_member("unknown history", me, history="some")
    edit_member("an invite that never expires", invite, expires=None)
    edit_member("an invite with a position", invite, position=1)
    edit_member("an invite with a generation", invite, generation=1)
    edit_member("an invite without history", invite, history="none")
    edit_member("an invite with another head", invite, head=b64(me))
    story.no("members not sorted", "bad_format", None, rebody(record, claire, lambda body: body["members"].reverse()))
    twice = rebody(record, claire, lambda body: body["members"].append(body["members"][-1]))
    story.no("a member twice", "bad_format", None, twice)
    story.no(
        "backlink too short",
        "bad_format",
        "claim",
        rebody(later, claire, lambda body: body.update(backlink=b64(bytes(79)))),
    )
    story.no(
        "later epoch without predecessor",
        "bad_format",
        "claim",
        rebody(later, claire, lambda body: body.update(previous=None)),
    )
    claimed, jean = story.world.epochs["claim"].record, story.world.jean.device
    story.no(
        "the reason claim without one",
        "bad_format",
        "create",
        rebody(claimed, jean, lambda body: body.update(claim=None)),
    )
    many = [
        {**Member(bytes([i] * 32), "user", "member", "full", bytes(32), 0, 1, bytes(32), bytes(32)).plain()}
        for i in range(65)
    ]
    edit("65 members", members=sorted(many, key=lambda each: each["id"]))
    story.no("cut", "bad_format", None, record[:-1])
    story.no("two signatures", "bad_format", None, Signed(Signed.unpack(record).body, (bytes(64),) * 2).pack())
    story.no("version 2", "unknown_version", None, rebody(record, claire, lambda body: body.update(v=2)))
    story.no("suite 2", "unknown_version", None, rebody(record, claire, lambda body: body.update(suite=2)))


def _order(story: Story) -> None:
    world = story.world
    claire, epochs = world.claire, world.epochs
    story.no("does not begin with the first", "not_next", None, epochs["claim"].record)
    story.no("a gap", "not_next", "create", epochs["add"].record)
    story.no("replayed", "not_next", "add", epochs["add"].record)
    story.no("an old one replayed", "not_next", "delegate", epochs["claim"].record)
    story.no(
        "another record of a known epoch", "fork", "delegate", redraft(epochs["add"].record, claire.device, at=NOW + 1)
    )
    story.no("lost race", "fork", "add", redraft(epochs["add"].record, claire.device, reason="rotate"))
    story.no(
        "another predecessor", "not_next", "claim", redraft(epochs["add"].record, claire.device, previous=bytes(32))
    )
    moved = redraft(epochs["add"].record, claire.device, conversation=bytes(32))
    story.no("moved to another conversation", "not_next", "claim", moved)
    group, names = story.group, world.names
    given = {"accounts": EVERYBODY, "known": names[:2], "served": names}
    group.ok("longer", "reconcile", **given)
    group.refused("shorter", "rollback", "reconcile", **{**given, "known": names, "served": names[:2]})
    other = conversation.create(claire.own, [], Roster("", {}), at=NOW, random=drbg("other conversation"))
    group.shared["records"]["other"] = other.record
    group.refused("another conversation", "fork", "reconcile", **{**given, "served": ["other"]})
    body = Signed.unpack(epochs["rotate"].record).body
    group.ok("signed again, byte for byte", "sign", seed=world.jean.seed, body=body)


def _authors(story: Story) -> None:
    world = story.world
    record, create = world.epochs["add"].record, world.epochs["create"].record
    claire, mallory, karim = world.claire, world.mallory, world.karim
    ghost = joined(record, [seat(mallory.own.chain, "member").member])
    story.no(
        "ghost member, old signature",
        "bad_signature",
        "claim",
        _with_signature(redraft(record, claire.device, members=ghost), record),
    )
    story.no("signed by another device id", "bad_device", "claim", redraft(record, mallory.device))
    story.no("signed with another key", "bad_signature", "claim", _as_device(record, mallory.device, claire.device.id))
    story.no("signature flipped", "bad_signature", "claim", flip(record, -1))
    story.no("author is no member", "bad_device", "claim", redraft(record, mallory.device, author=mallory.id))
    story.no("author not known", "bad_device", None, create, accounts=["jean"])
    paper = claire.code.holder()
    story.no("signed by a recovery code", "bad_device", "claim", redraft(record, paper))
    story.no(
        "author leaves by the record",
        "bad_device",
        "claim",
        redraft(record, claire.device, members=without(record, claire.id)),
    )
    story.no(
        "a member signs in an owner's name", "bad_device", "claim", redraft(record, karim.device, author=claire.id)
    )


def _with_signature(forged: bytes, original: bytes) -> bytes:
    return Signed(Signed.unpack(forged).body, Signed.unpack(original).signatures).pack()


def _as_device(record: bytes, key: holder.Holder, device: bytes) -> bytes:
    return rebody(record, key, lambda body: body.update(device=b64(device)))


def _pins(story: Story) -> None:
    world, record = story.world, story.world.epochs["add"].record
    claire, karim, mallory = world.claire, world.karim, world.mallory

    def wrong(name: str, code: str, **changes: Any) -> None:
        story.no(name, code, "claim", remember(record, claire.device, karim.id, **changes))

    wrong("member with another head", "wrong_member_key", head=bytes(32))
    wrong("member with an old head at the new position", "wrong_member_key", head=karim.own.chain.heads[0])
    wrong("member with another key", "wrong_member_key", key=sha256(mallory.own.chain.uk))
    wrong("member further than its chain", "wrong_member_key", position=9)
    wrong("member with a generation that never was", "wrong_member_key", generation=2)
    wrong("member of another kind", "wrong_member_key", kind="practice")
    story.no("member whose chain is not known", "wrong_member_key", "claim", record, accounts=["claire", "jean"])
    older = {"position": 0, "head": karim.own.chain.heads[0]}
    story.ok("member pinned earlier in its chain", "claim", remember(record, claire.device, karim.id, **older))
    kept = world.epochs["claim"].record
    jean = {"position": 1, "head": world.jean.own.chain.heads[1]}
    story.no(
        "position of a kept member goes back",
        "not_permitted",
        "claim",
        remember(record, claire.device, world.jean.id, **jean),
    )
    swapped = remember(kept, world.jean.device, claire.id, key=sha256(mallory.own.chain.uk))
    story.no("key of a kept member swapped", "wrong_member_key", "create", swapped)


def _permission(story: Story) -> None:
    world = story.world
    claire, jean, karim = world.claire, world.jean, world.karim
    record, extra = world.epochs["add"].record, seat(world.mallory.own.chain, "member").member
    create = world.epochs["create"].record

    def no(name: str, after: str | None, changed: bytes) -> None:
        story.no(name, "not_permitted", after, changed)

    no("create later", "claim", redraft(record, claire.device, reason="create"))
    no("add first", None, redraft(create, claire.device, reason="add"))
    no("patient adds", "claim", redraft(record, jean.device, author=jean.id))
    no(
        "add that adds nobody",
        "claim",
        redraft(record, claire.device, members=draft_of(world.epochs["claim"].record).members),
    )
    no("add that also removes", "claim", redraft(record, claire.device, members=without(record, jean.id)))
    no("a second patient", "claim", remember(record, claire.device, karim.id, role="patient"))
    no("an owner adds a delegate", "claim", remember(record, claire.device, karim.id, role="delegate"))
    no("a kept member gets another role", "claim", remember(record, claire.device, jean.id, role="owner"))
    no("a kept member gets another history", "claim", remember(record, claire.device, jean.id, history="none"))
    no("professional without history adds", "add", _next_of(world, "add", karim, "add", joined(record, [extra])))
    no("removing nobody", "add", _next_of(world, "add", claire, "remove", draft_of(record).members))
    no("removing and adding", "add", _next_of(world, "add", claire, "remove", (*without(record, karim.id), extra)))
    no("patient removes", "add", _next_of(world, "add", jean, "remove", without(record, karim.id)))
    no("member without history rotates", "add", _next_of(world, "add", karim, "rotate", draft_of(record).members))
    no("rotate that adds", "add", _next_of(world, "add", claire, "rotate", joined(record, [extra])))
    no("rotate that removes", "add", _next_of(world, "add", jean, "rotate", without(record, karim.id)))
    delegated = draft_of(world.epochs["delegate"].record).members
    no("delegate rotates", "delegate", _next_of(world, "delegate", world.nora, "rotate", delegated))
    no("owner brings a delegate", "add", _next_of(world, "add", claire, "delegate", delegated))
    stranger = joined(record, [seat(world.mallory.own.chain, "delegate").member])
    no("a delegate whom the patient never named", "add", _next_of(world, "add", jean, "delegate", stranger))
    no("a professional as delegate row", "add", _next_of(world, "add", jean, "delegate", joined(record, [extra])))
    no("delegate that changes nothing", "add", _next_of(world, "add", jean, "delegate", draft_of(record).members))
    away = without(world.epochs["delegate"].record, world.nora.id)
    story.ok("patient lets the delegate go", "delegate", _next_of(world, "delegate", jean, "delegate", away))


def _next_of(world: World, after: str, author: Person, reason: str, members: tuple[Member, ...]) -> bytes:
    """A record after a named one, well formed and signed by ``author``."""
    opened = world.epochs[after].opened
    base = draft_of(world.epochs["add"].record)
    head = opened.chain.head
    place = {"epoch": head.epoch + 1, "previous": head.hash, "conversation": opened.id}
    draft = replace(base, **place, reason=reason, author=author.id, members=members, claim=None)
    return write(draft, author.device)


def _permission_of_others(story: Story) -> None:
    world = story.world
    claire, jean, karim = world.claire, world.jean, world.karim
    create = world.epochs["create"].record
    invite = world.invited.member

    def no(name: str, after: str | None, changed: bytes) -> None:
        story.no(name, "not_permitted", after, changed)

    no("a conversation without owner", None, remember(create, claire.device, claire.id, role="professional"))
    no("author without history", None, remember(create, claire.device, claire.id, history="none"))
    no("patient with two others", None, _first(jean, [(jean, "patient"), (claire, "owner"), (karim, "member")]))
    no("patient with a professional", None, _first(jean, [(jean, "patient"), (claire, "professional")]))
    no("two patients", None, _first(claire, [(claire, "owner"), (jean, "patient"), (karim, "patient")]))
    no(
        "a delegate from the start",
        None,
        _first(claire, [(claire, "owner"), (jean, "patient"), (world.nora, "delegate")]),
    )
    no("a member begins", None, _first(karim, [(claire, "owner"), (karim, "member")]))
    story.ok("a patient writes to an owner", None, _first(jean, [(jean, "patient"), (claire, "owner")]))
    story.ok("an owner alone", None, _first(claire, [(claire, "owner")]))
    only_invite = _first(
        claire, [(claire, "owner")], invited_seat(world.invited.public, "owner", expires=NOW + DAY).member
    )
    story.ok("an owner and an invited owner", None, only_invite)
    claim = world.epochs["claim"].record
    no("claim for another role", "create", remember(claim, jean.device, jean.id, role="owner"))
    no("claim with less history", "create", remember(claim, jean.device, jean.id, history="none"))
    both = joined(claim, [member_of(create, invite)])
    no("claim that leaves the invitation", "create", redraft(claim, jean.device, members=both))
    more = joined(claim, [seat(karim.own.chain, "member").member])
    no("claim that brings a friend", "create", redraft(claim, jean.device, members=more))
    fresh = invitation.draw(drbg("fresh"))
    new = conversation.reinvite(
        claire.own,
        world.epochs["create"].opened,
        invite,
        invited_seat(fresh.public, "patient", expires=NOW + 2 * DAY),
        at=NOW,
        random=drbg("reinvite"),
    )
    story.ok("reinvited", "create", new.record)
    no("reinvited for another role", "create", remember(new.record, claire.device, fresh.member, role="owner"))
    again = rebody(new.record, claire.device, lambda body: body.update(reason="rotate"))
    no("reinvited as rotation", "create", again)
    longer = member_of(create, invite)
    stretched = conversation.add(
        claire.own, world.epochs["create"].opened, [seat(karim.own.chain, "member")], at=NOW, random=drbg("stretched")
    )
    no(
        "an invite gets more time",
        "create",
        remember(stretched.record, claire.device, longer.id, expires=NOW + 90 * DAY),
    )
    no("an invite gets another key", "create", remember(stretched.record, claire.device, longer.id, key=bytes(32)))


def _first(author: Person, people: list[tuple[Person, str]], *more: Member) -> bytes:
    """A first record, however wrong; boxes are of nobody's concern here."""
    base = conversation.create(author.own, [], Roster("", {}), at=NOW, random=drbg(f"first {len(people)}"))
    members = [seat(person.own.chain, role).member for person, role in people]  # type: ignore[arg-type]
    return redraft(base.record, author.device, members=(*members, *more))


def _own_chains(group: Group) -> None:
    """A conversation of people whose chains grow: retired, revoked and rotated."""
    ada, ben = Person("ada"), Person("ben")
    phone = holder.from_seed(Secret(ada.random(32)), kind="device", name="Phone")
    random = drbg("ada and ben")
    early = _pair(ada, ben, random)
    ada.grow(account.add_holder, phone)
    added = list(ada.links)
    at_phone = replace(ada.own, holder=phone)
    by_phone = conversation.rotate(
        at_phone,
        replace(early.opened, accounts={**early.opened.accounts, ada.id: ada.own.chain}),
        at=NOW,
        random=random,
    )
    ada.grow(account.revoke_holder, phone.id, random=ada.random)
    accounts = {"ada": ada.links, "ada, phone added": added, "ben": ben.links}
    group.shared["accounts"] |= accounts
    group.shared["records"] |= {"pair": early.record}
    given = {"accounts": ["ada", "ben"], "records": ["pair"]}
    known = {**given, "accounts": ["ada, phone added", "ben"]}
    group.ok("by a new device", "accept", **known, record=by_phone.record, settled=False)
    group.refused("by a device revoked since", "bad_device", "accept", **given, record=by_phone.record, settled=False)
    group.ok("by a device revoked since, read again", "accept", **given, record=by_phone.record, settled=True)
    too_early = remember(by_phone.record, phone, ada.id, position=1, head=ada.own.chain.heads[1])
    group.refused("by a device not yet added there", "bad_device", "accept", **given, record=too_early, settled=True)
    stale = remember(early.record, ada.device, ada.id, position=ada.own.chain.position, head=ada.own.chain.head)
    where = {"accounts": ["ada", "ben"], "records": []}
    group.refused("an old user key at the new position", "stale_key", "accept", **where, record=stale, settled=False)
    fresh = conversation.rotate(
        ada.own, replace(early.opened, accounts={**early.opened.accounts, ada.id: ada.own.chain}), at=NOW, random=random
    )
    group.ok("rotated after the revocation", "accept", **given, record=fresh.record, settled=False)
    group.shared["records"]["after revocation"] = fresh.record
    grown = {"before": ["ada, phone added", "ben"], "after": ["ada", "ben"]}
    rotation.add_renewed(group, ben.id, grown, {"old": ["pair"], "new": ["pair", "after revocation"]})
    back = _after(fresh, at_phone, by_phone)
    group.refused(
        "the stolen device after the rotation",
        "bad_device",
        "accept",
        **{**given, "records": ["pair", "after revocation"]},
        record=back,
        settled=True,
    )


def _pair(one: Person, other: Person, random: Any) -> NewEpoch:
    return conversation.create(one.own, [seat(other.own.chain, "member")], Roster("", {}), at=NOW, random=random)


def _after(fresh: NewEpoch, thief: account.OwnAccount, base: NewEpoch) -> bytes:
    """The thief extends the newest head, pinned where all is known: only the device is wrong."""
    head = fresh.opened.chain.head
    members = head.draft.members
    return redraft(base.record, thief.holder, epoch=head.epoch + 1, previous=head.hash, members=members)
