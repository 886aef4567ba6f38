import type { ConversationState } from "../../viewmodel/types";

/** Whose mailbox this conversation passes through now: there end-to-end encryption ends. Null: through none. */
export function mailboxOf({ entries, people }: Pick<ConversationState, "entries" | "people">): string | null {
  const carried = entries.findLast((entry) => {
    if (entry.kind !== "message" || entry.via === undefined) return false;
    return people.some(({ id, standing }) => id === entry.author.id && standing !== "left");
  });
  return carried?.kind === "message" ? (carried.via?.owner ?? null) : null;
}
