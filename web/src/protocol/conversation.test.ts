import { describe, expect, it } from "vitest";

import { addHolder, unlock } from "./account.ts";
import {
  addMembers,
  checkInviter,
  claimInvitation,
  extendConversation,
  removeMembers,
  replaceInvite,
  rotateEpoch,
} from "./conversation.ts";
import { openMessage, sealMessage } from "./envelope.ts";
import { holderFromSeed } from "./holder.ts";
import { invitationLink, inviteFromSecret, inviterPrefix, newInvitation, readInvitationLink } from "./invitation.ts";
import { readRecoveryCode, recoverySeed } from "./recovery.ts";
import { begin, boxOf, chainsOf, LATER, newDevice, NOW, person, refusal, say, seenBy, text } from "./testing/people.ts";

const NO_INVITES = new Map<never, never>();

/** Dr Martin has written; Jean has claimed the invited place. */
async function claimed() {
  const [doctor, jean] = await Promise.all([person(), person()]);
  const { created, invite } = await begin(doctor);
  const letter = await say("Bonjour", created.conversation, doctor.author);
  const seen = await seenBy(invite, [created], doctor);
  const accounts = chainsOf(doctor, jean);
  const claim = await claimInvitation({ conversation: seen, invite, author: jean.author, accounts, invites: NO_INVITES, at: NOW });
  return { doctor, jean, created, invite, letter, seen, accounts, claim };
}

describe("an invitation", () => {
  it("lets a person without an account read at once, from the link alone", async () => {
    const doctor = await person();
    const { created, invite } = await begin(doctor);
    const { envelope } = await say("Bonjour", created.conversation, doctor.author);

    const link = invitationLink("https://care.example/", { secret: invite.secret, inviter: doctor.id });
    const carried = readInvitationLink(link);
    const opener = await inviteFromSecret(carried.secret);
    const seen = await seenBy(opener, [created], doctor);
    checkInviter(seen, carried.inviterPrefix);
    const message = await openMessage({ conversation: seen, accounts: chainsOf(doctor), envelope, kind: "message" });

    expect(message.content.said.payload).toMatchObject({ text: "Bonjour" });
    expect(message.author).toMatchObject({ id: doctor.id, role: "owner" });
    expect(seen.roster).toMatchObject({ subject: "Ordonnance" });
    expect(seen.roster?.people.map(({ name }) => name).sort()).toEqual(["Dr Martin", "Jean Dupont"]);
  });

  it("is claimed while nobody else is online, and the name and the history go with the place", async () => {
    const { doctor, jean, created, letter, accounts, claim } = await claimed();
    expect(claim.conversation.roster?.people).toContainEqual({ member: jean.id, name: "Jean Dupont" });

    const reopened = await seenBy(jean.secrets, [created, claim], doctor, jean);
    const old = await openMessage({ conversation: reopened, accounts, envelope: letter.envelope, kind: "message" });
    expect(old.content.said.payload).toMatchObject({ text: "Bonjour" });

    const record = claim.record;
    const box = boxOf(claim, doctor.id);
    const atDoctor = await extendConversation({ conversation: created.conversation, record, box, accounts, opener: doctor.secrets });
    const answer = await say("Merci", claim.conversation, jean.author);
    const heard = await openMessage({ conversation: atDoctor, accounts, envelope: answer.envelope, kind: "message" });
    expect(heard.author).toMatchObject({ id: jean.id, role: "patient" });
  });

  it("is claimed once", async () => {
    const { doctor, invite, accounts, claim } = await claimed();
    const mallory = await person();
    const again = claimInvitation({ conversation: claim.conversation, invite, author: mallory.author, accounts, invites: NO_INVITES, at: NOW });
    expect(await refusal(again)).toBe("not_permitted");
    expect(doctor.id).not.toBe(mallory.id);
  });

  it("is replaced by another, after which the old one opens nothing new", async () => {
    const doctor = await person();
    const { created, invite } = await begin(doctor);
    const fresh = await newInvitation();
    const change = await replaceInvite({
      conversation: created.conversation,
      author: doctor.author,
      accounts: chainsOf(doctor),
      invites: new Map([[invite.member, invite]]),
      old: invite.member,
      now: { invite: fresh, role: "patient", expires: LATER, name: "Jean Dupont" },
      at: NOW,
    });
    const { envelope } = await say("Secret", change.conversation, doctor.author);
    const accounts = chainsOf(doctor);
    const withOld = await seenBy(invite, [created, change], doctor);
    const withNew = await seenBy(fresh, [created, change], doctor);
    expect(await refusal(openMessage({ conversation: withOld, accounts, envelope, kind: "message" }))).toBe("unknown_epoch");
    expect(await refusal(openMessage({ conversation: withNew, accounts, envelope, kind: "message" }))).toBe("accepted");
  });

  it("from somebody who is not in the conversation is an alarm", async () => {
    const { seen } = await claimed();
    const stranger = await person();
    expect(() => { checkInviter(seen, inviterPrefix(stranger.id)); }).toThrow(/wrong_inviter/);
  });
});

describe("members", () => {
  it.each([
    ["full", ["one", "two", "three"]],
    ["none", ["three"]],
    ["partial", ["two", "three"]],
  ] as const)("with %s history read exactly %j", async (history, expected) => {
    const [doctor, karim] = await Promise.all([person(), person()]);
    const { created, invite } = await begin(doctor);
    const accounts = chainsOf(doctor, karim);
    const invites = new Map([[invite.member, invite]]);
    const one = await say("one", created.conversation, doctor.author);
    const by = { author: doctor.author, accounts, invites, at: NOW };
    const rotated = await rotateEpoch({ ...by, conversation: created.conversation });
    const two = await say("two", rotated.conversation, doctor.author);
    const members = [{ chain: karim.chain, role: "professional", history, epochs: [2] }] as const;
    const added = await addMembers({ ...by, conversation: rotated.conversation, members });
    const again = await rotateEpoch({ ...by, conversation: added.conversation });
    const three = await say("three", again.conversation, doctor.author);

    const seen = await seenBy(karim.secrets, [created, rotated, added, again], doctor, karim);
    const read = [];
    for (const { envelope } of [one, two, three]) {
      const opened = openMessage({ conversation: seen, accounts, envelope, kind: "message" });
      if ((await refusal(opened)) === "accepted") read.push((await opened).content.said.payload);
    }
    expect(read.map((payload) => (payload as { text: string }).text)).toEqual(expected);
  });

  it("who were removed read nothing later, and what they still say is marked", async () => {
    const [doctor, karim] = await Promise.all([person(), person()]);
    const { created, invite } = await begin(doctor, karim);
    const accounts = chainsOf(doctor, karim);
    const removed = await removeMembers({
      conversation: created.conversation,
      author: doctor.author,
      accounts,
      invites: new Map([[invite.member, invite]]),
      members: [karim.id],
      at: NOW,
    });
    const secret = await say("after", removed.conversation, doctor.author);
    const atKarim = await seenBy(karim.secrets, [created, removed], doctor, karim);
    const reading = openMessage({ conversation: atKarim, accounts, envelope: secret.envelope, kind: "message" });
    expect(await refusal(reading)).toBe("unknown_epoch");

    const stale = await say("still here", created.conversation, karim.author);
    const shown = await openMessage({ conversation: removed.conversation, accounts, envelope: stale.envelope, kind: "message", newest: 2 });
    expect(shown.warnings).toEqual(["old_epoch"]);
  });

  it("other than owners change nobody, and are told before anything is sent", async () => {
    const [doctor, karim, other] = await Promise.all([person(), person(), person()]);
    const { created, invite } = await begin(doctor, karim);
    const change = addMembers({
      conversation: await seenBy(karim.secrets, [created], doctor, karim),
      author: karim.author,
      accounts: chainsOf(doctor, karim, other),
      invites: new Map([[invite.member, invite]]),
      members: [{ chain: other.chain, role: "professional", history: "full" }],
      at: NOW,
    });
    expect(await refusal(change)).toBe("not_permitted");
  });
});

describe("a recovery code", () => {
  it("brings everything back on a new device", async () => {
    const { doctor, jean, created, claim, letter, accounts } = await claimed();
    const typed = jean.recoveryCode.toLowerCase().replaceAll("-", " ").replaceAll("0", "o");
    const recovery = await holderFromSeed(await recoverySeed(await readRecoveryCode(typed)));
    const box = jean.boxes.find(({ holder }) => holder === recovery.id)?.box;
    const secrets = await unlock({ chain: jean.chain, holder: recovery, box: box!, generation: 1, previous: [] });
    const conversation = await seenBy(secrets, [created, claim], doctor, jean);
    const old = await openMessage({ conversation, accounts, envelope: letter.envelope, kind: "message" });
    expect(old.content.said.type).toBe("text");

    const phone = await newDevice();
    const added = await addHolder({ chain: jean.chain, signer: recovery, secret: secrets.newest, added: phone, kind: "device", name: "phone", at: NOW });
    const author = { chain: added.chain, device: phone };
    const { envelope } = await say("de retour", conversation, author);
    const refreshed = new Map(accounts).set(jean.id, added.chain);
    const heard = openMessage({ conversation: claim.conversation, accounts: refreshed, envelope, kind: "message" });
    expect(await refusal(heard)).toBe("accepted");
  });

  it("does not sign messages: only a device does", async () => {
    const { jean, claim } = await claimed();
    const recovery = await holderFromSeed(await recoverySeed(await readRecoveryCode(jean.recoveryCode)));
    const author = { chain: jean.chain, device: recovery };
    const speaking = sealMessage({ conversation: claim.conversation, author, said: text("x"), parents: [], at: NOW });
    expect(await refusal(speaking)).toBe("bad_device");
  });
});
