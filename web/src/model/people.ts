/** Who is who: names from the rosters, professions from certificates that this device has checked. */

import type { Certificate } from "../protocol/certificate.ts";
import type { Conversation } from "../protocol/conversation.ts";
import { openRoster } from "../protocol/epoch.ts";
import { memberOf, type EpochRecord, type Member } from "../protocol/epoch_record.ts";
import type { MemberId } from "../protocol/suite.ts";
import type { Accounts } from "./accounts.ts";
import type { PersonFact } from "./facts.ts";
import { plainLine } from "./plain_line.ts";

/** Everybody who is or was in, newest facts first taken; who left stays known by name. */
export async function peopleOf(
  conversation: Conversation,
  accounts: Accounts,
  before: readonly PersonFact[],
): Promise<readonly PersonFact[]> {
  const { head, records } = conversation.chain;
  const seen = new Map<MemberId, Member>();
  for (const record of records) for (const member of record.members) seen.set(member.id, member);
  const known = new Map(before.map((person) => [person.id, person]));
  // A place that was taken or given away is no person.
  const people = [...seen.values()].filter(({ id, kind }) => kind !== "invite" || memberOf(head, id) !== undefined);
  return Promise.all(people.map((member) => personOf(member, { conversation, accounts, head, known })));
}

type Context = {
  readonly conversation: Conversation;
  readonly accounts: Accounts;
  readonly head: EpochRecord;
  readonly known: ReadonlyMap<MemberId, PersonFact>;
};

async function personOf(member: Member, context: Context): Promise<PersonFact> {
  const { id, kind } = member;
  const certificate = kind === "invite" ? null : await context.accounts.certificate(id);
  const before = context.known.get(id);
  const standing = standingOf(member, context.head, before);
  const called = nameIn(context.conversation, id) ?? before?.name ?? (await formerName(context.conversation, id));
  return personFact(member, { certificate, called, standing });
}

/** What the registry says of a professional outweighs what members call one another. */
export function personFact(
  { id, kind, role, history }: Member,
  known: { readonly certificate: Certificate | null; readonly called: string | null; readonly standing: PersonFact["standing"] },
): PersonFact {
  const { certificate, called, standing } = known;
  const place = { id, kind, role, history, standing };
  if (certificate === null) return { ...place, name: plainLine(called ?? ""), profession: null, identifier: null, verified: false };
  const { name, profession, identifier } = certificate;
  return { ...place, name: plainLine(name), profession, identifier, verified: true };
}

function standingOf(member: Member, head: EpochRecord, before: PersonFact | undefined): PersonFact["standing"] {
  if (memberOf(head, member.id) === undefined) return "left";
  if (before?.standing === "left") return "left";
  return member.kind === "invite" ? "invited" : "member";
}

export function nameIn(conversation: Conversation, id: MemberId): string | null {
  return conversation.roster?.people.find(({ member }) => member === id)?.name ?? null;
}

/** Who left is named by the rosters of their time, as far as this account can read them. */
async function formerName(conversation: Conversation, id: MemberId): Promise<string | null> {
  for (const record of [...conversation.chain.records].reverse()) {
    const keys = conversation.keys.get(record.epoch);
    if (keys === undefined || memberOf(record, id) === undefined) continue;
    const roster = await openRoster(keys, record).catch(() => null);
    const person = roster?.people.find(({ member }) => member === id);
    if (person !== undefined) return person.name;
  }
  return null;
}
