/** The log as it is shown: messages with their states, documents with their readers, notices between. Pure. */

import type { AttachmentReference } from "../model/attachments.ts";
import { floorOf, type Facts } from "../model/facts.ts";
import { shownText, type EnvelopeEntry, type EpochEntry, type LogEntry, type Via } from "../model/log_entry.ts";
import { mailsIn } from "../model/mails.ts";
import type { Pending } from "../model/pending.ts";
import { plainLine } from "../model/plain_line.ts";
import { codeOf, LocalRefusal } from "../model/refusals.ts";
import { arrivalOf, failureOf } from "./delivery.ts";
import { personIn, phrase, problemOfCode, stranger } from "./presenting.ts";
import type { DocumentCard, Entry, MessageState, Person, ReadMark } from "./types.ts";

export type Scene = {
  readonly facts: Facts;
  readonly me: string;
  /** Ascending, without gaps. */
  readonly entries: readonly LogEntry[];
  readonly pending: readonly Pending[];
  /** 0 to 1 while the documents of a pending message go up. */
  readonly progress: (pending: string) => number | null;
  /** The newest place that was read: the "unread from here" line follows it, once it is among the entries; null: no line. */
  readonly unreadAfter: number | null;
  readonly documents: ReadonlyMap<string, DocumentCard["state"]>;
};

const NOTICE_OF_BLOCK = { true: "notice.blocked", false: "notice.unblocked" } as const;
const PREVIEWED = /^image\/(png|jpeg|gif|webp|avif)$/;

export function timeline(scene: Scene): readonly Entry[] {
  const read = readings(scene);
  const carried = carriage(scene);
  const answered = answers(scene, read, carried.bridges);
  const replaced = replacedIn(scene.entries);
  const context = { ...scene, ...carried, read, answered, replaced };
  const begins = scene.entries.findIndex(({ seq }) => seq >= floorOf(scene.facts));
  const shown = scene.entries.flatMap((entry, i) => [...(i === begins ? beginning(scene.entries[i - 1] ?? entry, scene) : []), ...shownEntry(entry, context)]);
  const known = new Set(scene.entries.flatMap((entry) => (entry.type === "envelope" ? [entry.id] : [])));
  const waiting = scene.pending.filter(({ sealed }) => sealed === null || !known.has(sealed.id));
  return [...withUnreadLine(shown, scene), ...waiting.flatMap((pending) => shownPending(pending, scene))];
}

type Context = Scene & {
  readonly read: (seq: number, author: string) => readonly ReadMark[];
  readonly answered: (seq: number, author: string) => readonly ReadMark[];
  readonly replaced: ReadonlyMap<string, string>;
  readonly bridges: readonly string[];
  readonly mailed: ReturnType<typeof mailsIn>["mailed"];
};

function shownEntry(entry: LogEntry, context: Context): readonly Entry[] {
  switch (entry.type) {
    case "envelope":
      return shownEnvelope(entry, context);
    case "epoch":
      return epochNotices(entry, context);
    case "left":
      return [notice(entry, phrase("notice.left", { name: entry.name }))];
    case "retracted":
      return [notice(entry, phrase("notice.retracted", { by: nameOf(context, entry.by) }))];
    case "refused":
      return [notice(entry, phrase("notice.refused", { name: entry.name }))];
    case "blocked":
      return [notice(entry, phrase(NOTICE_OF_BLOCK[`${entry.blocked}`], { by: entry.by, name: entry.name }))];
    case "policy":
    case "trimmed":
    case "again":
      return [];
  }
}

/** Above the first entry that the server still keeps, once the list reaches it; of the day of what is above it. */
function beginning({ at }: LogEntry, { facts, entries }: Scene): readonly Entry[] {
  const { trimmed } = facts;
  if (trimmed === null || trimmed === undefined || (entries[0]?.seq ?? 0) > trimmed.from) return [];
  return [{ kind: "notice", id: "trimmed", at, phrase: phrase("notice.trimmed", { at: trimmed.before }) }];
}

/** Says why a document does not open: one that came with an old message may be gone with it. */
export function goneWith(message: string, facts: Facts | null, entries: readonly LogEntry[]): (error: unknown) => never {
  return (error) => {
    const carrier = entries.find((entry) => entry.type === "envelope" && entry.id === message);
    const over = facts !== null && carrier !== undefined && carrier.seq < floorOf(facts);
    throw over && codeOf(error) === "not_found" ? new LocalRefusal("document_gone") : error;
  };
}

function shownEnvelope(entry: EnvelopeEntry, context: Context): readonly Entry[] {
  if (entry.retracted || entry.trimmed === true || entry.kind === "receipt") return [];
  return entry.message === null
    ? [unreadable(entry, entry.code ?? "open_failed")]
    : shownSaid(entry, entry.message.content.said, context);
}

function shownSaid(entry: EnvelopeEntry, said: NonNullable<EnvelopeEntry["message"]>["content"]["said"], context: Context): readonly Entry[] {
  switch (said.type) {
    case "text":
      return [messageEntry(entry, said.payload, context)];
    case "end":
      return [notice(entry, endPhrase(nameOf(context, entry.author), said.payload.text))];
    case "profile":
      return [notice(entry, phrase("notice.named", { name: said.payload.name }))];
    case "receipt":
    case "mailed":
      return [];
    case "appointment":
      return [{ kind: "appointment", id: entry.id, seq: entry.seq, at: entry.at }];
    case "unknown":
      return [unreadable(entry, "newer_version")];
  }
}

type TextPayload = {
  readonly text: string;
  readonly attachments: readonly AttachmentReference[];
  readonly replaces: string | null;
  readonly via?: Via;
};

function messageEntry(entry: EnvelopeEntry, payload: TextPayload, context: Context): Entry {
  const mine = entry.author === context.me;
  const by = context.read(entry.seq, entry.author);
  const documents = payload.attachments.map((one) =>
    withCard(documentCard(one, { message: entry.id, openedBy: openedBy(one.id, context), states: context.documents }), payload.via),
  );
  const via = payload.via === undefined ? {} : { via: payload.via };
  return {
    kind: "message",
    ...via,
    id: entry.id,
    seq: entry.seq,
    author: who(context, entry.author),
    mine,
    at: entry.at,
    text: shownText(payload),
    documents,
    state: stateOf(entry, by, context),
    replaces: payload.replaces,
    replacedBy: context.replaced.get(entry.id) ?? null,
    warning: entry.message?.warnings[0] ?? null,
    canRetract: mine && by.length === 0 && context.answered(entry.seq, entry.author).length === 0,
    canTakeBack: false,
  };
}

function withCard(shown: DocumentCard, via: Via | undefined): DocumentCard {
  const card = via?.cards.find(({ attachment }) => attachment === shown.id);
  return card === undefined ? shown : { ...shown, card };
}

function stateOf(entry: EnvelopeEntry, by: readonly ReadMark[], context: Context): MessageState {
  const { facts, me, answered, bridges, mailed } = context;
  const states = mailed.get(entry.id);
  const carried = { bridges: new Map(bridges.map((id) => [id, states?.get(id)])), readers: new Set(by.map(({ who: { id } }) => id)) };
  const failed = failureOf(carried);
  if (failed !== null) return failed;
  const answers = answered(entry.seq, entry.author);
  if (answers.length > 0) return { name: "answered", by: answers };
  if (by.length > 0) return { name: "read", by };
  const at = Object.entries(facts.delivered).filter(([account, seq]) => account !== entry.author && account !== me && seq >= entry.seq);
  return arrivalOf(at.map(([account]) => account), carried);
}

/** What bridges say; those that spoke before the entries that are here are bridges too. */
function carriage({ entries, facts }: Scene): Pick<Context, "bridges" | "mailed"> {
  const { bridges, mailed } = mailsIn(entries);
  return { mailed, bridges: [...new Set([...Object.keys(facts.mails ?? {}), ...bridges])] };
}

function shownPending(pending: Pending, scene: Scene): readonly Entry[] {
  const { said } = pending.intent;
  if (said.type === "appointment") return [{ kind: "appointment", id: pending.id, seq: null, at: pending.at }];
  if (said.type !== "text") return [];
  const cards = said.payload.attachments.map((one) =>
    documentCard(one, { message: null, openedBy: [], states: scene.documents }),
  );
  const refused = pending.state.name === "refused";
  return [
    {
      kind: "message",
      id: pending.id,
      seq: pending.state.name === "accepted" ? pending.state.seq : null,
      author: who(scene, scene.me),
      mine: true,
      at: pending.at,
      text: said.payload.text,
      documents: cards,
      state: pendingState(pending, scene),
      replaces: said.payload.replaces,
      replacedBy: null,
      warning: null,
      canRetract: false,
      canTakeBack: refused,
    },
  ];
}

function pendingState({ id, state }: Pending, scene: Scene): MessageState {
  switch (state.name) {
    case "queued":
      return { name: "sending", progress: scene.progress(id) };
    case "waiting":
      return { name: "waiting" };
    case "accepted":
      return { name: "accepted" };
    case "refused":
      return { name: "refused", problem: { ...problemOfCode(state.code), retry: true } };
  }
}

export function documentCard(
  reference: AttachmentReference,
  about: {
    readonly message: string | null;
    readonly openedBy: readonly ReadMark[];
    readonly states: ReadonlyMap<string, DocumentCard["state"]>;
  },
): DocumentCard {
  const { id, media_type, size, document } = reference;
  const [title, name] = [plainLine(reference.title), plainLine(reference.name)];
  const preview = media_type === "application/pdf" ? "pdf" : PREVIEWED.test(media_type) ? "image" : "none";
  const state = about.states.get(id) ?? { name: "closed" };
  return { id, message: about.message, title, name, mediaType: media_type, size, document, preview, openedBy: about.openedBy, state };
}

/** For a message at `seq`: who else has read it, each since the first receipt that reaches it. */
function readings(scene: Scene): Context["read"] {
  const seqOf = new Map(scene.entries.flatMap((entry) => (entry.type === "envelope" ? [[entry.id, entry.seq] as const] : [])));
  const receipts = scene.entries.flatMap((entry) => {
    const content = entry.type === "envelope" ? entry.message?.content : undefined;
    if (content?.said.type !== "receipt") return [];
    const upto = seqOf.get(content.said.payload.upto);
    return upto === undefined ? [] : [{ member: content.author, upto, at: content.at }];
  });
  return (seq, author) => {
    const first = new Map<string, number>();
    for (const { member, upto, at } of receipts) {
      if (upto >= seq && member !== author && !first.has(member)) first.set(member, at);
    }
    return [...first].map(([member, at]) => ({ who: who(scene, member), at }));
  };
}

/**
 * For a message at `seq`: who else wrote after having seen it, as the parents that they signed say. What a bridge wrote
 * says so only together with a receipt: the bridge has seen everything, the person at the mailbox may not have.
 */
function answers(scene: Scene, read: Context["read"], bridges: readonly string[]): Context["answered"] {
  const places = new Map(scene.entries.flatMap((entry) => (entry.type === "envelope" ? [[entry.id, entry.seq] as const] : [])));
  const written = scene.entries.flatMap((entry) => {
    const content = entry.type === "envelope" && !entry.retracted ? entry.message?.content : undefined;
    if (content?.said.type !== "text") return [];
    const seen = Math.max(0, ...content.parents.map((parent) => places.get(parent) ?? 0));
    return [{ member: content.author, seen, at: content.at, mail: bridges.includes(content.author) }];
  });
  return (seq, author) => {
    const first = new Map<string, number>();
    for (const { member, seen, at, mail } of written) {
      if (seen < seq || member === author || first.has(member)) continue;
      if (!mail || read(seq, author).some(({ who: { id } }) => id === member)) first.set(member, at);
    }
    return [...first].map(([member, at]) => ({ who: who(scene, member), at }));
  };
}

function openedBy(attachment: string, scene: Scene): readonly ReadMark[] {
  return scene.entries.flatMap((entry) => {
    const content = entry.type === "envelope" ? entry.message?.content : undefined;
    if (content?.said.type !== "receipt") return [];
    const opened = content.said.payload.opened.some((one) => one.attachment === attachment);
    return opened ? [{ who: who(scene, content.author), at: content.at }] : [];
  });
}

/** Only the author of a text can replace it. */
function replacedIn(entries: readonly LogEntry[]): ReadonlyMap<string, string> {
  const authors = new Map(entries.flatMap((entry) => (entry.type === "envelope" ? [[entry.id, entry.author] as const] : [])));
  const replaced = new Map<string, string>();
  for (const entry of entries) {
    const said = entry.type === "envelope" ? entry.message?.content.said : undefined;
    if (entry.type !== "envelope" || said?.type !== "text" || said.payload.replaces === null) continue;
    if (authors.get(said.payload.replaces) === entry.author) replaced.set(said.payload.replaces, entry.id);
  }
  return replaced;
}

function withUnreadLine(shown: readonly Entry[], { unreadAfter, me, entries }: Scene): readonly Entry[] {
  // Above a page that begins among the new messages there are more of them: no line before its first.
  if (unreadAfter === null || !((entries[0]?.seq ?? 0) <= unreadAfter + 1)) return shown;
  const first = entries.find((entry) => entry.type === "envelope" && entry.kind === "message" && entry.seq > unreadAfter && entry.author !== me);
  const at = first?.type === "envelope" ? shown.findIndex((entry) => "id" in entry && entry.id === first.id) : -1;
  return at < 0 ? shown : [...shown.slice(0, at), { kind: "unread", id: "unread" }, ...shown.slice(at)];
}

function epochNotices(entry: EpochEntry, context: Context): readonly Entry[] {
  const by = nameOf(context, entry.author);
  const added = (key: "notice.joined" | "notice.reinvited"): readonly Entry[] =>
    entry.added.map(({ id, name }, i) => notice(entry, phrase(key, { by, name: nameOf(context, id) || name }), i));
  switch (entry.reason) {
    case "create":
      return [notice(entry, phrase("notice.created", { by }))];
    case "claim":
      return added("notice.joined");
    case "reinvite":
      return added("notice.reinvited");
    case "rotate":
      return [];
    case "add":
    case "remove":
    case "delegate":
      return [
        ...entry.added.map(({ id, name, history }, i) =>
          notice(entry, phrase(history === "full" ? "notice.added.history" : "notice.added", { by, name: nameOf(context, id) || name }), i),
        ),
        ...entry.removed.map(({ id, name }, i) => notice(entry, phrase("notice.removed", { by, name: nameOf(context, id) || name }), i + 100)),
      ];
  }
}

function endPhrase(by: string, reason: string): Extract<Entry, { kind: "notice" }>["phrase"] {
  return reason === "" ? phrase("notice.ended", { by }) : phrase("notice.ended.reason", { by, reason });
}

function notice(entry: { readonly seq: number; readonly at: number }, said: ReturnType<typeof phrase>, n = 0): Entry {
  return { kind: "notice", id: `${entry.seq}.${n}`, at: entry.at, phrase: said };
}

function unreadable(entry: EnvelopeEntry, code: string): Entry {
  return { kind: "unreadable", id: entry.id, at: entry.at, problem: problemOfCode(code) };
}

function who(scene: Pick<Scene, "facts" | "me">, id: string): Person {
  return personIn(scene.facts, id, scene.me) ?? stranger(id);
}

function nameOf(scene: Pick<Scene, "facts" | "me">, id: string): string {
  return personIn(scene.facts, id, scene.me)?.name ?? "";
}
