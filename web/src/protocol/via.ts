/**
 * Where a message came from, as a bridge says: another mailbox, and cards of the documents that came along.
 * Source: docs/spec/mail.md 21. The word of the bridge, signed by it and by nobody else; another form is ignored.
 */

import { type Json } from "./codec.ts";
import { ProtocolError } from "./errors.ts";
import * as shape from "./shape.ts";

const line = shape.text(300);

const card = shape.atLeast({
  attachment: shape.nullable(shape.bytes(16)),
  authors: line,
  code: line,
  date: line,
  label: line,
  patient: line,
  qualified: shape.oneOf("yes", "no"),
});

const mail = shape.atLeast({
  kind: shape.oneOf("mail"),
  /** Address and owner of the mailbox where encryption ends. */
  box: line,
  owner: line,
  from: line,
  name: line,
  /** Paragraphs at the beginning of the text that repeat all of this, for readers that do not know it. */
  lead: shape.integer(0, 50),
  cards: shape.list(card, 20),
});

export type Via = ReturnType<typeof mail>;
export type ViaCard = Via["cards"][number];

export function readVia(value: Json | undefined): Via | null {
  if (value === undefined) return null;
  try {
    return mail(value);
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}
