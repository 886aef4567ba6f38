/**
 * What a message says: the signed content and its payloads. Source: docs/spec/protocol.md 7.3.
 */

import { ATTACHMENT_ID, attachmentReference } from "./attachment.ts";
import { decodeCanonical, encodeCanonical, type Json, type JsonObject } from "./codec.ts";
import { ascending } from "./epoch_record.ts";
import { demand } from "./errors.ts";
import * as shape from "./shape.ts";
import { readVia, type Via } from "./via.ts";
import { HASH, HOLDER_ID, MAX_CONTENT, MAX_TEXT, VERSION, type Bytes } from "./suite.ts";

/** What stands in the clear beside an envelope. */
export type Kind = "message" | "receipt" | "end";

const TYPE = /^[a-z][a-z0-9_]{0,63}$/;
const REASON = /^[a-z0-9_]{1,64}$/;
const MAX_PARENTS = 8;

const word = shape.oneOf("open", "none", "keep");
const untilTime = shape.object({ until: shape.integer(0) });
const reply: shape.Shape<Reply | "keep"> = (value) => {
  if (value === null) return null;
  return typeof value === "string" ? word(value) : untilTime(value);
};

/** May the patient answer: what a professional says of it, where "keep" is no word on it (protocol.md 7.5); others write `null`. */
export type Reply = "open" | "none" | { readonly until: number } | null;

const mailFields = shape.object({
  message: shape.bytes(HASH),
  state: shape.oneOf("handed", "delivered", "failed"),
  reason: shape.nullable(reasonCode),
});

/** What became of a message as mail; a `reason` only with `failed`. */
export type MailState = ReturnType<typeof mailFields>;

const PAYLOADS = {
  text: textPayload,
  receipt: shape.atLeast({
    upto: shape.bytes(HASH),
    opened: shape.list(shape.object({ attachment: shape.bytes(ATTACHMENT_ID), message: shape.bytes(HASH) }), 64),
  }),
  mailed: shape.atLeast({ states: shape.list(mailState, 64, 1) }),
  end: shape.atLeast({ text: shape.text(MAX_TEXT) }),
  profile: shape.atLeast({ name: shape.text(120, 1) }),
  appointment: appointmentPayload,
} as const;

const plainText = shape.atLeast({
  text: shape.text(MAX_TEXT),
  attachments: shape.list(attachmentReference, 20),
  reply,
  replaces: shape.nullable(shape.bytes(HASH)),
});

const KINDS: { readonly [T in KnownType]: Kind } = {
  text: "message",
  profile: "message",
  receipt: "receipt",
  mailed: "receipt",
  end: "end",
  appointment: "message",
};

type KnownType = keyof typeof PAYLOADS;
export type Payloads = { readonly [T in KnownType]: ReturnType<(typeof PAYLOADS)[T]> };

/** A type and its payload; `unknown` is of a later version: show "needs a newer version", never drop it. */
export type Said =
  | { readonly [T in KnownType]: { readonly type: T; readonly payload: Payloads[T] } }[KnownType]
  | { readonly type: "unknown"; readonly name: string; readonly payload: JsonObject };

/** What this version can say. */
export type Sayable = Exclude<Said, { readonly type: "unknown" }>;

const fields = shape.object({
  v: shape.integer(VERSION, VERSION),
  type: typeName,
  author: shape.bytes(HASH),
  device: shape.bytes(HOLDER_ID),
  position: shape.integer(0),
  head: shape.bytes(HASH),
  at: shape.integer(0),
  parents: shape.list(shape.bytes(HASH), MAX_PARENTS),
  checkpoint: shape.nothing,
  payload: shape.anyObject,
});

export type Content = Omit<ReturnType<typeof fields>, "v" | "type" | "payload" | "checkpoint"> & { readonly said: Said };

/** Read a content; refuses with `bad_format`. */
export function readContent(bytes: Bytes): Content {
  demand(bytes.length <= MAX_CONTENT, "bad_format", "content too long");
  const { type, payload, author, device, position, head, at, parents } = fields(decodeCanonical(bytes));
  demand(ascending(parents), "bad_format", "parents are sorted, each once");
  const said = isKnown(type) ? ({ type, payload: PAYLOADS[type](payload) } as Said) : { type: "unknown" as const, name: type, payload };
  return { author, device, position, head, at, parents, said };
}

/** Write a content that every reader accepts; refuses with `bad_format` what none would. */
export function writeContent(content: Omit<Content, "said"> & { readonly said: Sayable }): Bytes {
  const { said, parents, ...rest } = content;
  const sorted = [...new Set(parents)].sort();
  const payload = { ...(said.payload satisfies Json) };
  const bytes = encodeCanonical({ ...rest, v: VERSION, type: said.type, parents: sorted, checkpoint: null, payload });
  readContent(bytes);
  return bytes;
}

/** The clear kind of what is said. "I cannot come" is said whatever the reply right is (docs/spec/appointments.md 1). */
export function kindOf(said: Said): Kind {
  if (said.type === "appointment" && said.payload.act === "cannot_come") return "receipt";
  return said.type === "unknown" ? "message" : KINDS[said.type];
}

/** A text, with where it came from when a bridge said so in a form that we know. */
function textPayload(value: Json): ReturnType<typeof plainText> & { readonly via?: Via } {
  const via = readVia(shape.anyObject(value)["via"]);
  return via === null ? plainText(value) : { ...plainText(value), via };
}

/** What every act of an appointment has; the rest depends on the act and is read by `appointment.ts`. */
function appointmentPayload(value: Json): AppointmentPayload {
  return { ...shape.anyObject(value), ...shape.atLeast({ version: shape.integer(1), act: typeName, reply })(value) };
}

export type AppointmentPayload = JsonObject & { readonly version: number; readonly act: string; readonly reply: Reply | "keep" };

function mailState(value: Json): MailState {
  const said = mailFields(value);
  demand(said.reason === null || said.state === "failed", "bad_format", "a reason for no failure");
  return said;
}

function reasonCode(value: Json): string {
  const code = shape.text(64)(value);
  demand(REASON.test(code), "bad_format", "reason");
  return code;
}

function isKnown(type: string): type is KnownType {
  return Object.hasOwn(PAYLOADS, type);
}

function typeName(value: Json): string {
  const name = shape.text(64)(value);
  demand(TYPE.test(name), "bad_format", "type of the content");
  return name;
}
