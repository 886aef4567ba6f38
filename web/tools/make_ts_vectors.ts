/// <reference types="node" />
/**
 * Writes `tests/vectors/from_ts/*.json`: what TypeScript sealed and signed, for Python to open. Same form and same
 * operations as the shared vectors (`tests/vectors/README.md`). Everything is drawn anew: run it by hand when the bytes
 * of the protocol change (`npm run vectors`), not in every build.
 */
import { mkdirSync, writeFileSync } from "node:fs";

import { addDelegate, addHolder, attest, createAccount, revokeHolder, type NewAccount } from "../src/protocol/account.ts";
import type { ChainState } from "../src/protocol/chain_state.ts";
import { signCertificate } from "../src/protocol/certificate.ts";
import { b64, encodeCanonical, type Json } from "../src/protocol/codec.ts";
import {
  addMembers,
  claimInvitation,
  createConversation,
  removeMembers,
  rotateEpoch,
  type Author,
  type Commit,
} from "../src/protocol/conversation.ts";
import { sealMessage, type Sayable } from "../src/protocol/envelope.ts";
import { holderFromSeed, keysFromSeed, type Holder } from "../src/protocol/holder.ts";
import { encKeyFromSeed, hpkeSeal } from "../src/protocol/hpke.ts";
import { newInvitation, sealCodeBox, type Invite } from "../src/protocol/invitation.ts";
import { sealPasskey } from "../src/protocol/passkey.ts";
import { systemRandom as random } from "../src/protocol/random.ts";
import { readRecoveryCode, recoverySeed } from "../src/protocol/recovery.ts";
import { signSession } from "../src/protocol/session.ts";
import type { Bytes, MemberId } from "../src/protocol/suite.ts";
import { sealOwnData } from "../src/protocol/user_secret.ts";
import { Values } from "../src/protocol/testing/vector.ts";
import { perform } from "../src/protocol/testing/vectors.ts";

const FOLDER = new URL("../../tests/vectors/from_ts/", import.meta.url);
const NOW = 1_790_000_000_000;
const DAY = 86_400_000;

type Plain = { readonly [key: string]: Json };
type Case = { readonly name: string; readonly expect: "ok"; readonly in: Plain; readonly out: object };

/** Somebody with the seed that their device came from, so that the other side can play them. */
type Player = NewAccount & { readonly seed: Bytes; readonly device: Holder };

async function player(): Promise<Player> {
  const seed = random(32);
  const device = await holderFromSeed(seed);
  return { ...(await createAccount({ device, deviceName: "appareil", at: NOW })), seed, device };
}

/** Collects cases; `out` is what this side makes of `in`. */
class Group {
  readonly cases: Case[] = [];

  constructor(
    readonly name: string,
    readonly shared: Plain = {},
  ) {}

  async add(name: string, given: Plain): Promise<void> {
    const out = await perform(this.name, new Values(given, this.shared));
    this.cases.push({ name, expect: "ok", in: given, out });
  }

  write(): void {
    const description = "Sealed and signed by TypeScript (web/tools/make_ts_vectors.ts)";
    const file = { group: this.name, description, shared: this.shared, cases: this.cases };
    writeFileSync(new URL(`${this.name}.json`, FOLDER), `${JSON.stringify(file, null, 1)}\n`);
  }
}

type Eventful = { readonly links: readonly Bytes[]; readonly chain: ChainState; readonly groups: readonly Group[] };

/** A device that was stolen, a certificate, a delegate: a chain with every kind of link but a retirement. */
async function eventfulChain(doctor: Player, karim: Player): Promise<Eventful> {
  const registry = await keysFromSeed(random(32));
  const body = {
    account: doctor.chain.account,
    at: NOW,
    identifier: "10100001238",
    name: "Dr Zoé Martin",
    profession: "10",
    source: "operator",
    type: "professional",
    v: 1,
  } as const;
  const certificate = await signCertificate(registry.sign, body);
  const step = { signer: doctor.device, at: NOW };
  const attested = await attest({ ...step, chain: doctor.chain, certificate });
  const phone = await holderFromSeed(random(32));
  const secret = doctor.secrets.newest;
  const added = await addHolder({ ...step, chain: attested.chain, secret, added: phone, kind: "device", name: "téléphone" });
  const revoked = await revokeHolder({ ...step, chain: added.chain, holder: phone.id, secret });
  const delegated = await addDelegate({ ...step, chain: revoked.chain, account: karim.chain.account, scope: "read", until: NOW + DAY });
  const links = [...doctor.links, ...attested.links, ...added.links, ...revoked.links, ...delegated.links];

  const chains = new Group("account_chain");
  await chains.add("a chain with a revocation", { op: "replay", links: links.map(b64) });
  await chains.add("a certificate", {
    op: "certificate",
    certificate: b64(certificate),
    registry: b64(registry.sign.public),
    account: body.account,
  });

  const secrets = new Group("user_secret");
  const account = doctor.chain.account;
  const uk = (generation: number): string => delegated.chain.userKeys[generation - 1]?.enc ?? "";
  const recovery = await recoverySeed(await readRecoveryCode(doctor.recoveryCode));
  const boxes = [
    ["device", doctor.seed, doctor.boxes[0]],
    ["recovery code", recovery, doctor.boxes[1]],
  ] as const;
  for (const [name, seed, sealed] of boxes) {
    const box = b64(sealed?.box ?? new Uint8Array());
    await secrets.add(`box for the ${name}`, { op: "open_box", seed: b64(seed), box, account, generation: 1, uk: uk(1) });
  }
  const sealed = revoked.previous[0]?.sealed ?? new Uint8Array();
  const newer = b64(revoked.secret.secret);
  await secrets.add("previous", { op: "open_previous", newer, generation: 2, account, sealed: b64(sealed), uk: uk(1) });
  const own = await sealOwnData(revoked.secret.own, "pins", encodeCanonical({ a: "é" }));
  await secrets.add("own data", { op: "open_own", uks: b64(revoked.secret.secret), name: "pins", sealed: b64(own) });
  return { links, chain: delegated.chain, groups: [chains, secrets] };
}

/** A partial history is spread over the boxes of a member: a later one does not repeat what the first one gave. */
const EPOCHS_OF: { readonly [name: string]: string } = {
  partial: "epochs of partial: every own box is opened, also of an epoch that a later box lists",
};

type Story = {
  readonly people: { readonly [name: string]: Player };
  readonly commits: { readonly [name: string]: Commit };
  readonly invite: Invite;
  readonly author: Author;
};

/** Create, claim, add with each kind of history, rotate, remove. */
async function tell(people: { readonly [name in "doctor" | "jean" | "full" | "none" | "partial"]: Player }): Promise<Story> {
  const { doctor, jean, full, none, partial } = people;
  const author = { chain: doctor.chain, device: doctor.device };
  const accounts = new Map(Object.values(people).map((one) => [one.chain.account, one.chain]));
  const invite = await newInvitation();
  const invited = { invite, role: "patient", expires: NOW + DAY, name: "Jean Dupont" } as const;
  const self = { author, role: "owner", name: "Dr Martin" } as const;
  const create = await createConversation({ ...self, members: [], invites: [invited], subject: "Résultats", at: NOW });
  const by = { author, accounts, invites: new Map(), at: NOW };
  const taker = { chain: jean.chain, device: jean.device };
  const claim = await claimInvitation({ ...by, conversation: create.conversation, invite, author: taker });
  const members = [
    { chain: full.chain, role: "professional", history: "full" },
    { chain: none.chain, role: "member", history: "none" },
    { chain: partial.chain, role: "professional", history: "partial", epochs: [2] },
  ] as const;
  const add = await addMembers({ ...by, conversation: claim.conversation, members });
  const colleague = { chain: full.chain, device: full.device };
  const rotate = await rotateEpoch({ ...by, author: colleague, conversation: add.conversation });
  const remove = await removeMembers({ ...by, conversation: rotate.conversation, members: [full.chain.account] });
  return { people, commits: { create, claim, add, rotate, remove }, invite, author };
}

async function conversationGroups(): Promise<readonly Group[]> {
  const [doctor, jean, full, none, partial] = await Promise.all([player(), player(), player(), player(), player()]);
  const { links, chain, groups } = await eventfulChain(doctor, full);
  const story = await tell({ doctor: { ...doctor, links, chain }, jean, full, none, partial });
  const commits = Object.entries(story.commits);
  const shared = {
    accounts: Object.fromEntries(Object.entries(story.people).map(([name, one]) => [name, one.links.map(b64)])),
    records: Object.fromEntries(commits.map(([name, commit]) => [name, b64(commit.record)])),
  };
  const names = { accounts: Object.keys(story.people), records: Object.keys(story.commits) };

  const records = new Group("conversation_chain", shared);
  const invitations = new Group("invitations", shared);
  for (const [i, [name, commit]] of commits.entries()) {
    const before = { accounts: names.accounts, records: names.records.slice(0, i) };
    const given = { op: "accept", ...before, record: b64(commit.record), settled: false };
    await (name === "claim" ? invitations : records).add(name, given);
  }
  const told = { shared, names, last: story.commits["remove"] ?? raise("no last commit"), author: story.author };
  return [...groups, records, invitations, await backlinksGroup(story, told), await messagesGroup(told)];
}

async function backlinksGroup({ people, commits, invite }: Story, { shared, names }: Told): Promise<Group> {
  const group = new Group("backlinks", shared);
  const boxesOf = (member: MemberId): Plain =>
    Object.fromEntries(
      Object.values(commits).flatMap(({ boxes }, i) =>
        boxes.filter((one) => one.member === member).map(({ box }) => [String(i + 1), b64(box)]),
      ),
    );
  for (const [name, one] of Object.entries(people)) {
    if (name === "doctor") continue; // has a second generation: not for one table of secrets
    const uks = { "1": b64(one.secrets.newest.secret) };
    const member = one.chain.account;
    const given = { op: "open_epochs", ...names, member, invitation: null, uks, boxes: boxesOf(member) };
    await group.add(EPOCHS_OF[name] ?? `epochs of ${name}`, given);
  }
  const opener = { member: invite.member, invitation: b64(invite.secret), uks: null, boxes: boxesOf(invite.member) };
  await group.add("epochs of the invitation", { op: "open_epochs", ...names, records: ["create"], ...opener });
  return group;
}

function raise(message: string): never {
  throw new Error(message);
}

type Told = {
  readonly shared: Plain;
  readonly names: { readonly accounts: readonly string[]; readonly records: readonly string[] };
  readonly last: Commit;
  readonly author: Author;
};

async function messagesGroup({ shared, names, last, author }: Told): Promise<Group> {
  const group = new Group("messages", shared);
  const opened = [...last.conversation.keys.values()];
  const keys = opened.map(({ epoch, cek, lk }) => ({ epoch, cek: b64(cek), lk: lk === null ? null : b64(lk) }));
  const id = b64(random(32));
  const attachment = {
    id: b64(random(16)),
    key: b64(random(32)),
    media_type: "application/pdf",
    name: "ordonnance é.pdf",
    sealed_sha256: b64(random(32)),
    sealed_size: 57,
    sha256: b64(random(32)),
    size: 1,
    title: "",
    document: "prescription",
  } as const;
  const sayings: readonly Sayable[] = [
    { type: "text", payload: { text: "Bonjour \u2028 \u0001 \u{1f600}", attachments: [attachment], reply: { until: NOW }, replaces: id } },
    { type: "text", payload: { text: "x".repeat(65_536), attachments: [], reply: null, replaces: null } },
    { type: "receipt", payload: { upto: id, opened: [{ attachment: attachment.id, message: id }] } },
    { type: "end", payload: { text: "" } },
    { type: "profile", payload: { name: "Zoé" } },
  ];
  for (const said of sayings) {
    const { envelope, kind } = await sealMessage({ conversation: last.conversation, author, said, parents: [id], at: NOW });
    const given = { op: "open", ...names, keys, newest: null, envelope: b64(envelope), kind };
    await group.add(`${said.type} of ${envelope.length} bytes`, given);
  }
  return group;
}

async function smallGroups(): Promise<readonly Group[]> {
  const holders = new Group("holders");
  const [seed, info] = [random(32), random(20)];
  const { enc } = await keysFromSeed(seed);
  const holder = await holderFromSeed(seed);
  const asked = { server: b64(random(16)), challenge: b64(random(32)) };
  const signature = b64(await signSession(holder, asked));
  await holders.add("keys of a seed", { op: "seed", seed: b64(seed) });
  const answer = { public: b64(holder.signPublic), signature, ...asked, holder: holder.id };
  await holders.add("answer to a challenge", { op: "session_verify", ...answer });
  const xwing = random(32);
  const sealed = await hpkeSeal((await encKeyFromSeed(xwing)).public, info, enc.public);
  await holders.add("sealed", { op: "unseal", seed: b64(xwing), info: b64(info), sealed: b64(sealed) });

  const codes = new Group("codes");
  const invite = await newInvitation();
  const key = random(32);
  const box = await sealCodeBox({ locator: "", opener: key }, invite, b64(random(32)));
  await codes.add("code box", { op: "code_box", key: b64(key), invitation: invite.id, box: b64(box) });

  const passkey = new Group("passkey");
  const [prf, credential] = [random(32), random(20)];
  const wrapped = { account: b64(random(32)), head: b64(random(32)), position: 7, seed: b64(seed) };
  const blob = await sealPasskey(prf, credential, wrapped);
  await passkey.add("blob", { op: "unwrap", prf: b64(prf), credential: b64(credential), blob: b64(blob) });

  const attachments = new Group("attachments");
  const drawn = { id: b64(random(16)), key: b64(random(32)), salt: b64(random(32)), prefix: b64(random(7)) };
  for (const size of [0, 1, 700, 65_480, 65_481, 131_000, 131_001, 200_000]) {
    await attachments.add(`sealed, ${size} bytes`, { op: "seal", ...drawn, size });
    await attachments.add(`opened, ${size} bytes`, { op: "open", ...drawn, size, change: "none", by: null, told: {} });
  }
  return [holders, codes, passkey, attachments];
}

export async function main(): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  for (const group of [...(await smallGroups()), ...(await conversationGroups())]) group.write();
}
