/** Parts of the state of a conversation that follow from its facts alone. */

import type { Facts } from "../model/facts.ts";
import { invitationOf } from "./inbox.ts";
import { phrase } from "./presenting.ts";
import type { ConversationState, Person } from "./types.ts";

export const EMPTY: ConversationState = {
  loading: true,
  subject: "",
  me: null,
  people: [],
  recipient: null,
  reply: { name: "open" },
  replySentence: phrase("reply.open"),
  mayWrite: false,
  mayEnd: false,
  mayChangeMembers: false,
  entries: [],
  older: "none",
  send: { name: "ready" },
  invitation: null,
  alarm: null,
  problem: null,
};

export function recipientOf(people: readonly Person[], professional: boolean): Person | null {
  const others = people.filter((person) => !person.me && person.standing !== "left");
  return others.find(({ role }) => role === (professional ? "patient" : "owner")) ?? others[0] ?? null;
}

export function invitationState(facts: Facts, now: number): ConversationState["invitation"] {
  const state = invitationOf(facts, now);
  const open = facts.people.find(({ standing }) => standing === "invited");
  const expires = facts.invitations.find(({ member }) => member === open?.id)?.expires ?? 0;
  return state === null ? null : { state, expires };
}
