/**
 * A server that lies, with everything a server has: it relays, withholds, replays, forges boxes and swaps keys.
 * Each attack is refused, and by the code that tells the user what it was.
 */

import { beforeAll, describe, expect, it } from "vitest";

import { addHolder, revokeHolder, rotateUserSecret, unlock } from "./account.ts";
import { acceptChain, acceptLink, extendChain, writeLink, type ChainState } from "./account_chain.ts";
import { b64, concat, encodeCanonical, readSigned, unb64, writeSigned } from "./codec.ts";
import { accountSeat, writeCommit } from "./commit.ts";
import {
  addMembers,
  claimInvitation,
  extendConversation,
  openConversation,
  removeMembers,
  rotateEpoch,
  type Commit,
} from "./conversation.ts";
import { acceptRecord, acceptRecords } from "./conversation_chain.ts";
import { newestMessages, openMessage, sealMessage, withheldParents } from "./envelope.ts";
import { fullKeys, sealBox } from "./epoch.ts";
import { readRecord } from "./epoch_record.ts";
import { hpkeSeal } from "./hpke.ts";
import { checkMirror, replyRight } from "./reply_right.ts";
import { signLabelled } from "./sign.ts";
import type { Bytes } from "./suite.ts";
import { newUserSecret, sealUserSecret } from "./user_secret.ts";
import { systemRandom } from "./random.ts";
import { begin, boxOf, chainsOf, flipped, newDevice, NOW, person, refusal, say, seenBy, text, type Person } from "./testing/people.ts";

let doctor: Person;
let karim: Person;
let mallory: Person;
let created: Commit;
let invites: Map<string, { sign: Bytes; enc: Bytes }>;
let accounts: ReadonlyMap<string, ChainState>;

beforeAll(async () => {
  [doctor, karim, mallory] = await Promise.all([person(), person(), person()]);
  const begun = await begin(doctor, karim);
  created = begun.created;
  invites = new Map([[begun.invite.member, begun.invite]]);
  accounts = chainsOf(doctor, karim, mallory);
});

/** Rewrite a signed body and sign it with whatever key the server has. */
async function resigned(wire: Bytes, edit: (body: Record<string, unknown>) => void, label: string, signer: Person): Promise<Bytes> {
  const body = structuredClone(readSigned(wire).value) as Record<string, unknown>;
  edit(body);
  const bytes = encodeCanonical(body as never);
  return writeSigned(bytes, [await signLabelled(signer.device, label, bytes)]);
}

describe("against accounts, a server", () => {
  it("cannot add a ghost device: it has no signature of an old holder", async () => {
    const ghost = await newDevice();
    const { chain } = mallory;
    const forged = await addHolder({ chain, signer: mallory.device, secret: mallory.secrets.newest, added: ghost, kind: "device", name: "", at: NOW });
    const relabelled = await resigned(forged.links[0]!, (body) => {
      Object.assign(body, { account: doctor.id, position: doctor.chain.position + 1, previous: doctor.chain.head, signer: doctor.device.id });
    }, "link", mallory);
    expect(await refusal(acceptLink(doctor.chain, relabelled))).toBe("bad_signature");
    expect(await refusal(acceptLink(doctor.chain, forged.links[0]!))).toBe("not_next");
  });

  it("cannot show an old head: rollback, an alarm", async () => {
    const newer = await extendChain(doctor.chain, (await rotateUserSecret({ chain: doctor.chain, signer: doctor.device, secret: doctor.secrets.newest, at: NOW })).links);
    expect(await refusal(extendChain(newer, doctor.links, 0))).toBe("rollback");
  });

  it("cannot show another history: fork, an alarm", async () => {
    const [one, two] = await Promise.all([1, 2].map(async () => {
      const ask = { chain: doctor.chain, signer: doctor.device, secret: doctor.secrets.newest, at: NOW };
      return rotateUserSecret(ask);
    }));
    expect(await refusal(extendChain(one!.chain, [...doctor.links, ...two!.links], 0))).toBe("fork");
  });

  it("cannot make a box of the user secret, though it knows every public key", async () => {
    const own = await newUserSecret(1);
    const box = await sealUserSecret(own, doctor.id, { id: doctor.device.id, enc: doctor.device.encPublic });
    const opening = unlock({ chain: doctor.chain, holder: doctor.device, box, generation: 1, previous: [] });
    expect(await refusal(opening)).toBe("forged_box");
  });

  it("cannot skip the change of the secret after a revocation", async () => {
    const second = await newDevice();
    const { chain } = await addHolder({ chain: doctor.chain, signer: doctor.device, secret: doctor.secrets.newest, added: second, kind: "device", name: "", at: NOW });
    const revoked = await revokeHolder({ chain, signer: doctor.device, holder: second.id, secret: doctor.secrets.newest, at: NOW });
    const halfway = await acceptLink(chain, revoked.links[0]!);
    expect(halfway.rotationDue).toBe(true);
    const content = { type: "holder_retire", body: { holder: second.id } } as const;
    const skipping = await writeLink(halfway, { content, signer: doctor.device, at: NOW });
    expect(await refusal(acceptLink(halfway, skipping))).toBe("rule");
    const byRevoked = await writeLink(revoked.chain, { content, signer: second, at: NOW });
    expect(await refusal(acceptLink(revoked.chain, byRevoked))).toBe("unknown_signer");
  });

  it("cannot give an account a weak key", async () => {
    const weak = { ...(await newDevice()), signPublic: unb64("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") };
    // A key of small order accepts a signature of zeros and a small point over any message: only the door refuses it.
    const anything = concat(weak.signPublic, new Uint8Array(32));
    const added = { ...weak, sign: () => Promise.resolve(anything) };
    const content = { type: "holder_add", body: { holder: { enc: b64(weak.encPublic), kind: "device", name: "", sign: b64(weak.signPublic) } } } as const;
    const link = await writeLink(doctor.chain, { content, signer: doctor.device, added, at: NOW });
    expect(await refusal(acceptLink(doctor.chain, link))).toBe("weak_key");
  });
});

describe("against conversations, a server", () => {
  it("cannot add a ghost member by its own hand", async () => {
    const seat = await accountSeat(mallory.chain, { role: "professional", history: "full" });
    const kept = await Promise.all([doctor, karim].map(({ chain }, i) => accountSeat(chain, { role: i === 0 ? "owner" : "professional", history: "full" })));
    const own = { ...created.conversation, keys: new Map([[1, { epoch: 1, cek: systemRandom(32), lk: systemRandom(32) }]]) };
    const draft = { author: mallory.author, seats: [...kept, seat], reason: "add", roster: { people: [], subject: "" }, claim: null, at: NOW } as const;
    expect(await refusal(writeCommit(own, draft, accounts, systemRandom))).toBe("not_permitted");
  });

  it("cannot sign for an owner", async () => {
    const rotated = await rotateEpoch({ conversation: created.conversation, author: doctor.author, accounts, invites, at: NOW });
    const forged = await resigned(rotated.record, (body) => { body["at"] = 1; }, "epoch", mallory);
    expect(await refusal(acceptRecord(created.conversation.chain, forged, accounts))).toBe("bad_signature");
  });

  it("cannot swap a member's key for its own", async () => {
    const swapped = { ...karim.chain, userKeys: mallory.chain.userKeys };
    const chain = rotateEpoch({ conversation: created.conversation, author: doctor.author, accounts: new Map(accounts).set(karim.id, swapped), invites, at: NOW });
    const { record } = await chain; // the doctor was told a wrong key; everybody who knows Karim's chain refuses
    expect(await refusal(acceptRecord(created.conversation.chain, record, accounts))).toBe("wrong_member_key");
  });

  it("cannot hide a rotation: an old generation is a stale key", async () => {
    const rotated = await rotateUserSecret({ chain: karim.chain, signer: karim.device, secret: karim.secrets.newest, at: NOW });
    const stale = { ...rotated.chain, userKeys: karim.chain.userKeys };
    const known = new Map(accounts).set(karim.id, rotated.chain);
    const { record } = await rotateEpoch({ conversation: created.conversation, author: doctor.author, accounts: new Map(accounts).set(karim.id, stale), invites, at: NOW });
    expect(await refusal(acceptRecord(created.conversation.chain, record, known))).toBe("stale_key");
  });

  it("cannot replay, skip or fork a record", async () => {
    const by = { author: doctor.author, accounts, invites, at: NOW };
    const one = await rotateEpoch({ ...by, conversation: created.conversation });
    const other = await rotateEpoch({ ...by, conversation: created.conversation });
    const two = await rotateEpoch({ ...by, conversation: one.conversation });
    expect(await refusal(acceptRecord(one.conversation.chain, one.record, accounts))).toBe("not_next");
    expect(await refusal(acceptRecord(created.conversation.chain, two.record, accounts))).toBe("not_next");
    expect(await refusal(acceptRecord(one.conversation.chain, other.record, accounts))).toBe("fork");
    expect(await refusal(acceptRecords([two.record], accounts))).toBe("not_next");
  });

  it("cannot give a member other keys than everybody has", async () => {
    const rotated = await rotateEpoch({ conversation: created.conversation, author: doctor.author, accounts, invites, at: NOW });
    const extending = (box: Bytes | null, record = rotated.record) =>
      refusal(extendConversation({ conversation: created.conversation, record, box, accounts, opener: karim.secrets }));
    const own = boxOf(rotated, karim.id);
    expect(await extending(own)).toBe("accepted");
    expect(await extending(await hpkeSeal(karim.secrets.newest.enc.public, new Uint8Array(), new Uint8Array(65)))).toBe("forged_box");
    expect(await extending(flipped(own, 9000))).toBe("forged_box");
    expect(await extending(boxOf(created, karim.id))).toBe("forged_box");
    expect(await extending(null)).toBe("forged_box");
  });

  it("and a member together cannot put another box in the place of the signed one, though it opens", async () => {
    const rotated = await rotateEpoch({ conversation: created.conversation, author: doctor.author, accounts, invites, at: NOW });
    const head = rotated.conversation.chain.head;
    const to = { id: karim.id, enc: karim.secrets.newest.enc.public, history: "full" } as const;
    const box = await sealBox(head, to, fullKeys(rotated.conversation.keys.get(2)));
    const extended = extendConversation({ conversation: created.conversation, record: rotated.record, box, accounts, opener: karim.secrets });
    expect(await refusal(extended)).toBe("forged_box");
  });

  it("and an owner together cannot give one member a key that does not match the commit", async () => {
    const rotated = await rotateEpoch({ conversation: created.conversation, author: doctor.author, accounts, invites, at: NOW });
    const lying = await resigned(rotated.record, (body) => { body["commit"] = b64(systemRandom(32)); }, "epoch", doctor);
    const extended = extendConversation({ conversation: created.conversation, record: lying, box: boxOf(rotated, karim.id), accounts, opener: karim.secrets });
    expect(await refusal(extended)).toBe("forged_box"); // the commit is part of what the box is bound to
    const badLink = await resigned(rotated.record, (body) => { body["link_commit"] = b64(systemRandom(32)); }, "epoch", doctor);
    const linked = extendConversation({ conversation: created.conversation, record: badLink, box: boxOf(rotated, karim.id), accounts, opener: karim.secrets });
    expect(await refusal(linked)).toBe("wrong_commit");
  });

  it("cannot break the way back unnoticed", async () => {
    const rotated = await rotateEpoch({ conversation: created.conversation, author: doctor.author, accounts, invites, at: NOW });
    const broken = await resigned(rotated.record, (body) => { body["backlink"] = b64(systemRandom(80)); }, "epoch", doctor);
    const records = [created.record, broken];
    const boxes = new Map([[2, boxOf(rotated, karim.id)]]);
    expect(await refusal(openConversation({ records, accounts, opener: karim.secrets, boxes }))).toBe("wrong_commit");
  });

  it("cannot take the invited place with another account's claim", async () => {
    const { created: own, invite } = await begin(doctor);
    const seen = await seenBy(invite, [own], doctor);
    const claim = await claimInvitation({ conversation: seen, invite, author: karim.author, accounts, invites, at: NOW });
    const stolen = await resigned(claim.record, (body) => {
      const members = body["members"] as Record<string, unknown>[];
      const place = members.find(({ id }) => id === karim.id)!;
      Object.assign(place, { id: mallory.id, head: mallory.chain.head, position: mallory.chain.position, generation: 1 });
      place["key"] = b64(new Uint8Array(32));
      members.sort((a, b) => (String(a["id"]) < String(b["id"]) ? -1 : 1));
      Object.assign(body, { author: mallory.id, device: mallory.device.id });
    }, "epoch", mallory);
    expect(await refusal(acceptRecord(own.conversation.chain, stolen, accounts))).toBe("wrong_member_key");

    const record = await readRecord(claim.record);
    const replayed = await resigned(claim.record, (body) => { body["claim"] = { ...record.claim!, signature: b64(systemRandom(64)) }; }, "epoch", karim);
    expect(await refusal(acceptRecord(own.conversation.chain, replayed, accounts))).toBe("bad_signature");
  });

  it("cannot let a revoked device write what is new", async () => {
    const second = await newDevice();
    const { chain } = await addHolder({ chain: doctor.chain, signer: doctor.device, secret: doctor.secrets.newest, added: second, kind: "device", name: "", at: NOW });
    const stolen = await rotateEpoch({ conversation: created.conversation, author: { chain, device: second }, accounts, invites, at: NOW });
    const revoked = await revokeHolder({ chain, signer: doctor.device, holder: second.id, secret: doctor.secrets.newest, at: NOW });
    const known = new Map(accounts).set(doctor.id, revoked.chain);
    expect(await refusal(acceptRecord(created.conversation.chain, stolen.record, known))).toBe("bad_device");
    expect(await refusal(acceptRecord(created.conversation.chain, stolen.record, known, { settled: true }))).toBe("accepted");
  });
});

describe("against messages, a server", () => {
  it("cannot change one bit", async () => {
    const { envelope } = await say("Bonjour", created.conversation, doctor.author);
    const codes = new Set<string>();
    for (let bit = 0; bit < envelope.length * 8; bit += 37) {
      const opened = openMessage({ conversation: created.conversation, accounts, envelope: flipped(envelope, bit), kind: "message" });
      codes.add(await refusal(opened));
    }
    expect([...codes].sort()).toEqual(["bad_format", "open_failed", "unknown_epoch"]);
  });

  it("cannot move a sentence into another conversation", async () => {
    const { envelope } = await say("Bonjour", created.conversation, doctor.author);
    const other = (await begin(doctor, karim)).created.conversation;
    expect(await refusal(openMessage({ conversation: other, accounts, envelope, kind: "message" }))).toBe("bad_format");
  });

  it("and a member cannot say something in the name of another", async () => {
    const lying = { chain: doctor.chain, device: { ...karim.device, id: doctor.device.id } };
    const { envelope } = await say("I am the doctor", created.conversation, lying);
    expect(await refusal(openMessage({ conversation: created.conversation, accounts, envelope, kind: "message" }))).toBe("bad_signature");
  });

  it("cannot show a receipt as a message", async () => {
    const { envelope, id } = await say("Bonjour", created.conversation, doctor.author);
    const receipt = await sealMessage({ conversation: created.conversation, author: karim.author, said: { type: "receipt", payload: { upto: id, opened: [] } }, parents: [], at: NOW });
    expect(await refusal(openMessage({ conversation: created.conversation, accounts, envelope: receipt.envelope, kind: "message" }))).toBe("wrong_kind");
    expect(await refusal(openMessage({ conversation: created.conversation, accounts, envelope, kind: "end" }))).toBe("wrong_kind");
  });

  it("cannot withhold a message that a later one names", async () => {
    const open = async (envelope: Bytes) => openMessage({ conversation: created.conversation, accounts, envelope, kind: "message" });
    const first = await open((await say("one", created.conversation, doctor.author)).envelope);
    const sealed = await sealMessage({ conversation: created.conversation, author: karim.author, said: text("two"), parents: newestMessages([first]), at: NOW });
    const second = await open(sealed.envelope);
    expect(withheldParents([first, second]).size).toBe(0);
    expect([...withheldParents([second])]).toEqual([first.id]);
    expect(newestMessages([first, second])).toEqual([second.id]);
  });

  it("cannot close a conversation that the doctor left open, nor open one that she ended", async () => {
    const end = await sealMessage({ conversation: created.conversation, author: doctor.author, said: { type: "end", payload: { text: "" } }, parents: [], at: NOW });
    const ended = replyRight([await openMessage({ conversation: created.conversation, accounts, envelope: end.envelope, kind: "end" })]);
    expect(ended).toEqual({ reply: "ended", until: null, by: doctor.id });
    expect(() => { checkMirror(ended, { reply: "open", until: null }); }).toThrow(/mirror_mismatch/);
    expect(() => { checkMirror(replyRight([]), { reply: "ended", until: null }); }).toThrow(/mirror_mismatch/);
  });

  it("cannot use what a removed member still signs as news without a mark", async () => {
    const removed = await removeMembers({ conversation: created.conversation, author: doctor.author, accounts, invites, members: [karim.id], at: NOW });
    const again = await addMembers({ conversation: removed.conversation, author: doctor.author, accounts, invites, members: [{ chain: karim.chain, role: "professional", history: "none" }], at: NOW });
    const { envelope } = await say("old keys", created.conversation, karim.author);
    const shown = await openMessage({ conversation: again.conversation, accounts, envelope, kind: "message", newest: 3 });
    expect(shown.warnings).toEqual(["old_epoch"]);
  });

  it("cannot pass off a whole chain as somebody else's", async () => {
    const theirs = await acceptChain(mallory.links);
    const pretending = new Map(accounts).set(karim.id, theirs);
    expect(await refusal(acceptRecords([created.record], pretending))).toBe("wrong_member_key");
  });
});
