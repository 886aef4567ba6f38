/** Reading an invitation before there is an account: who writes, what the letter says. Source: docs/spec/protocol.md 9. */

import type { Api } from "../api/client.ts";
import type { EnvelopeEvent, Event, InvitationDetail } from "../api/types.ts";
import type { Platform } from "../platform/platform.ts";
import { acceptChain, type ChainState } from "../protocol/account_chain.ts";
import { openCertificate, type Certificate } from "../protocol/certificate.ts";
import { b64, unb64 } from "../protocol/codec.ts";
import { checkInviter, openConversation, type Conversation } from "../protocol/conversation.ts";
import { messageId, openMessage } from "../protocol/envelope.ts";
import { ProtocolError } from "../protocol/errors.ts";
import {
  inviteFromSecret,
  openCodeBox,
  readInvitationCode,
  readInvitationLink,
  signRefusal,
  type Carried,
  type Invite,
} from "../protocol/invitation.ts";
import type { AccountId, B64, Bytes } from "../protocol/suite.ts";
import type { PersonFact } from "./facts.ts";
import type { EnvelopeEntry } from "./log_entry.ts";
import { nameIn, personFact } from "./people.ts";
import { LocalRefusal } from "./refusals.ts";

export type Letter = {
  readonly invite: Invite;
  readonly detail: InvitationDetail;
  readonly conversation: Conversation;
  readonly chains: ReadonlyMap<AccountId, ChainState>;
  readonly registryKey: B64;
  readonly server: B64;
  readonly people: readonly PersonFact[];
  /** The author of the first record. */
  readonly writer: AccountId;
  /** How the professional calls the invited person. */
  readonly invited: string;
  readonly entries: readonly EnvelopeEntry[];
};

/** The fragment of a link (`1.<secret>.<prefix>`). @throws ProtocolError `bad_code` */
export function carriedByLink(platform: Platform, fragment: string): Carried {
  return readInvitationLink(`${platform.http.origin}/i#${fragment}`);
}

/** A code typed by hand; stretching it takes a moment (`progress` 0 to 1). */
export async function carriedByCode(
  through: { readonly platform: Platform; readonly api: Api },
  typed: string,
  progress: (share: number) => void,
): Promise<Carried> {
  // A slip of the finger is told before anything is stretched or sent.
  await readInvitationCode(typed);
  const { code_salt } = await through.api.server();
  const stretched = await through.platform.stretch(typed, unb64(code_salt), progress);
  const { id, code_box } = await through.api.invitationByCode(stretched.locator);
  return openCodeBox(stretched, id, unb64(code_box));
}

/** No account, and nothing more by this letter: whoever wrote is told. */
export async function refuseLetter(api: Api, { invite, conversation }: Letter): Promise<void> {
  const signature = b64(await signRefusal(invite, conversation.chain.id));
  await api.refuseInvitation(invite.id, { sign: b64(invite.sign), enc: b64(invite.enc), signature });
}

/** Fetch the letter and check everything about it. @throws ProtocolError (`wrong_inviter` is an alarm), Refused */
export async function openLetter(api: Api, carried: Carried): Promise<Letter> {
  const invite = await inviteFromSecret(carried.secret);
  const [server, detail] = await Promise.all([api.server(), api.invitation(invite.id)]);
  if (detail.registry_key !== server.registry_key) throw new LocalRefusal("registry_changed");
  const chains = await acceptChains(detail);
  const conversation = await openConversation({
    records: detail.epochs.map((record) => unb64(record)),
    accounts: chains,
    opener: invite,
    boxes: new Map(detail.boxes.map(({ epoch, box }): [number, Bytes] => [epoch, unb64(box)])),
  });
  checkInviter(conversation, carried.inviterPrefix);
  const registryKey = unb64(server.registry_key);
  const people = await Promise.all(
    conversation.chain.head.members.map((member) => personOf(member, { conversation, chains, registryKey })),
  );
  const events = await allEvents(api, invite.id);
  return {
    invite,
    detail,
    conversation,
    chains,
    registryKey: server.registry_key,
    server: server.id,
    people,
    writer: conversation.chain.records[0]?.author ?? "",
    invited: people.find(({ id }) => id === invite.member)?.name ?? "",
    entries: await Promise.all(events.filter(isEnvelopeEvent).map((event) => opened(event, conversation, chains))),
  };
}

async function acceptChains(detail: InvitationDetail): Promise<ReadonlyMap<AccountId, ChainState>> {
  const chains = await Promise.all(
    detail.chains.map(async ({ account, links }): Promise<[AccountId, ChainState]> => {
      const chain = await acceptChain(links.map((link) => unb64(link)));
      if (chain.account !== account) throw new ProtocolError("wrong_account", "chain of another account");
      return [account, chain];
    }),
  );
  return new Map(chains);
}

async function allEvents(api: Api, id: B64): Promise<readonly Event[]> {
  const all: Event[] = [];
  for (;;) {
    const page = await api.invitationEvents(id, all.at(-1)?.seq ?? 0);
    all.push(...page.events);
    if (page.events.length === 0 || (all.at(-1)?.seq ?? 0) >= page.last_seq) return all;
  }
}

function isEnvelopeEvent(event: Event): event is EnvelopeEvent {
  return event.type === "envelope" && event.kind !== "receipt";
}

async function opened(
  event: EnvelopeEvent,
  conversation: Conversation,
  accounts: ReadonlyMap<AccountId, ChainState>,
): Promise<EnvelopeEntry> {
  const { seq, at, id, kind, author, epoch } = event;
  const closed = { seq, at, type: "envelope", id, kind, author, epoch, message: null, code: null } as const;
  if (event.envelope === null) return { ...closed, retracted: true };
  try {
    const envelope = unb64(event.envelope);
    if ((await messageId(envelope)) !== id) throw new ProtocolError("bad_format", "another envelope under this id");
    return { ...closed, message: await openMessage({ conversation, accounts, envelope, kind }), retracted: false };
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.alarm) throw error;
    return { ...closed, code: error.code, retracted: false };
  }
}

type PersonContext = {
  readonly conversation: Conversation;
  readonly chains: ReadonlyMap<AccountId, ChainState>;
  readonly registryKey: Bytes;
};

async function personOf(member: Conversation["chain"]["head"]["members"][number], context: PersonContext): Promise<PersonFact> {
  return personFact(member, {
    certificate: await certificateOf(member.id, context),
    called: nameIn(context.conversation, member.id),
    standing: member.kind === "invite" ? "invited" : "member",
  });
}

async function certificateOf(id: AccountId, { chains, registryKey }: PersonContext): Promise<Certificate | null> {
  const wire = chains.get(id)?.certificate ?? null;
  return wire === null ? null : openCertificate(wire, registryKey, id).catch(() => null);
}
