/** Another account is open on this device. It goes only when the person says so, and hears first what that costs. */

import type { Client } from "../model/client.ts";
import { codeOf } from "../model/refusals.ts";
import type { InUse, Person } from "./types.ts";

/** What to ask before the other account is closed here; null: this error is about something else. */
export async function inUse(error: unknown, client: Client, me: Person | null): Promise<InUse | null> {
  if (codeOf(error) !== "device_in_use") return null;
  const unsent = await client.home?.outbox.unsent().catch(() => undefined);
  return { name: me?.name ?? "", unsent: unsent ?? null };
}
