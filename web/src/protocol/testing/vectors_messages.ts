import {
  openAttachment,
  openSegment,
  sealAttachment,
  sealedSize,
  segmentCount,
  segmentRange,
  type AttachmentReference,
} from "../attachment.ts";
import { b64, concat, equal } from "../codec.ts";
import { kindOf, readContent, type Content, type Kind } from "../content.ts";
import { acceptRecords } from "../conversation_chain.ts";
import { messageId, newestMessages, openMessage, sealContent, withheldParents, type Message } from "../envelope.ts";
import { readRecord, type Role } from "../epoch_record.ts";
import { demand } from "../errors.ts";
import { holderFromSeed } from "../holder.ts";
import { isOfBridge, mailedOf } from "../mailed.ts";
import { checkMirror, mayReply, readersOf, replacements, replyRight, type Placed } from "../reply_right.ts";
import type { Bytes } from "../suite.ts";
import type { Op, Values } from "./vector.ts";
import { accountsOf, keysOf, recordNamed, recordsOf } from "./vectors_conversation.ts";

type Ops = { readonly [op: string]: Op };

const SEGMENT = 65_536;

/** A log entry of the vectors: only what the log's rules look at is real. */
function logOf(v: Values): readonly Placed[] {
  return v.valuesList("log").map((entry) => {
    const content = readContent(entry.bytes("content"));
    const author = authorOf(entry, content);
    return { seq: entry.number("seq"), message: { id: entry.text("id"), epoch: 1, author, content, warnings: [] } };
  });
}

function authorOf(entry: Values, { author }: Content): Message["author"] {
  const role = entry.text("role") as Role;
  return { id: author, kind: "user", role, history: "full", head: "", position: 0, generation: 1, key: "", box: "", expires: null };
}

function messagesOf(v: Values): readonly Message[] {
  return logOf(v).map(({ message }) => message);
}

function typeOf({ said }: Content): string {
  return said.type === "unknown" ? said.name : said.type;
}

const messages: Ops = {
  seal: async (v) => {
    const record = await readRecord(recordNamed(v, v.text("record")));
    const content = v.bytes("content");
    readContent(content);
    const device = await holderFromSeed(v.bytes("seed"));
    const envelope = await sealContent(content, { record, keys: keysOf(v.values("keys")), device, salt: v.bytes("salt") });
    return { envelope: b64(envelope), id: await messageId(envelope) };
  },
  open: async (v) => {
    const accounts = await accountsOf(v);
    const chain = await acceptRecords(recordsOf(v), accounts);
    const keys = new Map(v.valuesList("keys").map(keysOf).map((one) => [one.epoch, one]));
    const conversation = { id: chain.id, chain, keys, roster: null };
    const asked = { conversation, accounts, envelope: v.bytes("envelope"), kind: v.text("kind") as Kind };
    const { id, epoch, author, content, warnings } = await openMessage(v.has("newest") ? { ...asked, newest: v.number("newest") } : asked);
    return {
      id,
      epoch,
      author: content.author,
      role: author.role,
      type: typeOf(content),
      at: content.at,
      parents: content.parents,
      known: content.said.type !== "unknown",
      old_epoch: warnings.includes("old_epoch"),
    };
  },
  content: (v) => {
    const content = readContent(v.bytes("content"));
    return { type: typeOf(content), known: content.said.type !== "unknown", kind: kindOf(content.said) };
  },
  reply_right: (v) => {
    const right = replyRight(messagesOf(v));
    if (v.has("mirror")) {
      const mirror = v.values("mirror");
      const until = mirror.has("until") ? mirror.number("until") : null;
      checkMirror(right, { reply: mirror.text("reply") as "open", until });
    }
    return { ...right, may_reply: mayReply(right, "patient", v.number("at")) };
  },
  readers: (v) => {
    const log = logOf(v);
    const seq = log.find(({ message }) => message.id === v.text("message"))?.seq ?? 0;
    return { readers: readersOf(log, seq) };
  },
  mailed: (v) => {
    const log = messagesOf(v).map(({ id, author, content: { said } }) => ({ id, author: author.id, said }));
    const mailed = [...mailedOf(log)].flatMap(([message, states]) =>
      [...states].map(([bridge, { state, reason }]) => ({ message, bridge, state, reason })),
    );
    const bridges = new Set(log.filter(({ said }) => isOfBridge(said)).map(({ author }) => author));
    return { mailed, bridges: [...bridges].sort() };
  },
  replaced: (v) => ({ replaced: [...replacements(messagesOf(v))].map(([old, now]) => ({ old, new: now })) }),
  withheld: (v) => {
    const log = messagesOf(v);
    demand(withheldParents(log).size === 0, "withheld", "parents that did not arrive");
    return { heads: newestMessages(log) };
  },
};

/** The test file of that size. */
function plaintext(size: number): Bytes {
  return new Uint8Array(size).map((_, i) => (7 * i + Math.floor(i / 251)) & 255);
}

async function sealedFile(v: Values): Promise<{ readonly sealed: Bytes; readonly reference: AttachmentReference }> {
  const draws = [v.bytes("key"), v.bytes("salt"), v.bytes("prefix")];
  const sealing = await sealAttachment({ id: v.text("id") }, () => draws.shift() ?? new Uint8Array());
  const sealed = await through(sealing.transform, plaintext(v.number("size")));
  const reference = sealing.reference({ name: "file", media_type: "application/octet-stream", title: "", document: null });
  return { sealed, reference };
}

async function through(transform: TransformStream<Bytes, Bytes>, bytes: Bytes): Promise<Bytes> {
  const reader = new Blob([bytes]).stream().pipeThrough(transform).getReader();
  const parts: Bytes[] = [];
  for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
  return concat(...parts);
}

const CHANGES: { readonly [change: string]: (sealed: Bytes, v: Values) => Bytes } = {
  none: (sealed) => sealed,
  cut: (sealed, v) => sealed.slice(0, v.number("by")),
  flip: (sealed, v) => sealed.map((byte, i) => (i === v.number("by") ? byte ^ 1 : byte)),
  append: (sealed, v) => concat(sealed, new Uint8Array(v.number("by"))),
  swap: (sealed, v) => {
    const pieces = Array.from({ length: Math.ceil(sealed.length / SEGMENT) }, (_, i) => sealed.slice(i * SEGMENT, (i + 1) * SEGMENT));
    const [one, other] = v.list("by").map(Number);
    const swapped = pieces.map((piece, i) => pieces[i === one ? (other ?? 0) : i === other ? (one ?? 0) : i] ?? piece);
    return concat(...swapped);
  },
  drop: (sealed, v) => concat(sealed.slice(0, v.number("by") * SEGMENT), sealed.slice((v.number("by") + 1) * SEGMENT)),
  repeat: (sealed, v) => concat(sealed.slice(0, (v.number("by") + 1) * SEGMENT), sealed.slice(v.number("by") * SEGMENT)),
};

const attachments: Ops = {
  sizes: (v) => ({ segments: segmentCount(v.number("size")), sealed_size: sealedSize(v.number("size")) }),
  seal: async (v) => {
    const { sealed, reference } = await sealedFile(v);
    const told = sealed.length < 1000 ? { sealed: b64(sealed) } : {};
    const { sealed_sha256, sha256 } = reference;
    return { sealed_size: sealed.length, sealed_sha256, sha256, ...told };
  },
  open: async (v) => {
    const { sealed, reference } = await sealedFile(v);
    const changed = CHANGES[v.text("change")]?.(sealed, v) ?? new Uint8Array();
    const told = v.raw("told") as Partial<AttachmentReference>;
    const opened = await through(await openAttachment({ ...reference, ...told }), changed);
    if (!equal(opened, plaintext(v.number("size")))) throw new TypeError("another plaintext");
    return { sha256: reference.sha256 };
  },
  segment: async (v) => {
    const { sealed, reference } = await sealedFile(v);
    const index = v.number("segment");
    const { start, end, offset } = segmentRange(index, sealed.length);
    const shift = v.number("shift");
    const segment = sealed.slice(start + shift, end + shift);
    const piece = await openSegment({ reference, header: sealed.slice(0, 40), index, segment });
    const expected = plaintext(v.number("size")).slice(offset, offset + piece.length);
    if (!equal(piece, expected)) throw new TypeError("another plaintext");
    return { start, end, offset, length: piece.length };
  },
};

export const messageOps = { messages, attachments };
