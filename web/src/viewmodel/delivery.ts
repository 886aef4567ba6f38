/** How far a message of one's own has come when nobody has read it: at the devices of others, and beyond a bridge, as mail. */

import type { Mailed } from "../model/mails.ts";
import type { MessageState } from "./types.ts";

type Failed = Extract<MessageState, { readonly name: "failed" }>;
type Arrived = Extract<MessageState, { readonly name: "accepted" | "handed" | "delivered" }>;
type Bridges = ReadonlyMap<string, Mailed | undefined>;

/** By bridge, what became of the message there, without those who have read: a person's word outdoes a server's. */
export type Carried = { readonly bridges: Bridges; readonly readers: ReadonlySet<string> };

/** It will not arrive at a mailbox: what counts most, since somebody has to do something. */
export function failureOf({ bridges, readers }: Carried): Failed | null {
  const failed = [...bridges].find(([bridge, said]) => said?.state === "failed" && !readers.has(bridge));
  return failed === undefined ? null : { name: "failed", reason: failed[1]?.reason ?? "other" };
}

/** `at`: accounts of others on a device of which it is. That a bridge's device has it says nothing about the mailbox. */
export function arrivalOf(at: readonly string[], { bridges }: Carried): Arrived {
  const mail = [...bridges.values()].map((said) => said?.state);
  if (mail.includes("delivered") || at.some((account) => !bridges.has(account))) return { name: "delivered" };
  return { name: mail.includes("handed") ? "handed" : "accepted" };
}
