import { crowded, fortyRows } from "./crowded";
import { appointmentScene, reminders } from "./appointments";
import { longStory, manyMessages, stateStory } from "./entries";
import type { Scene } from "./model";
import { dupont, martin } from "./people";
import * as s from "./states";

const PATIENT = { name: "conversation", conversation: "c1" } as const;
const jean = (scene: Omit<Scene, "app">): Scene => ({ app: s.app(dupont, PATIENT), inbox: s.inboxPatient, ...scene });
const claire = (scene: Omit<Scene, "app">): Scene => ({ app: s.app(martin, PATIENT), inbox: s.inboxProfessional, ...scene });
const activating = (activation: Scene["activation"] & object): Scene => ({ app: s.app(null, { name: "activation", token: "t" }), activation });
const inviting = (invitation: Scene["invitation"] & object): Scene => ({ app: s.app(null, { name: "invitation", link: null }), invitation });

const appointment = (...names: Parameters<typeof appointmentScene> extends [unknown, ...infer Names] ? Names : never): Scene => {
  const { state, entries } = appointmentScene(dupont, ...names);
  return jean({ conversation: s.conversation(dupont, { entries }), appointments: state });
};
const appointmentOfPractice = (...names: Parameters<typeof appointment>): Scene => {
  const { state, entries } = appointmentScene(martin, ...names);
  return claire({ conversation: s.conversation(martin, { entries }), appointments: state, composer: { ...s.composerProfessional, text: "", documents: [] } });
};

/** Every screen in its telling states; the screenshots and the accessibility tests walk through all of them. */
export const SCENES: Readonly<Record<string, () => Scene>> = {
  starting: () => ({ app: s.app(null, { name: "inbox" }, { phase: "starting" }) }),
  "starting-refused": () => ({ app: s.app(null, { name: "inbox" }, { phase: "starting", problem: s.problem("unsupported_browser", { retry: false }) }) }),
  unlock: () => ({ app: s.app(null, { name: "unlock" }) }),
  "unlock-wrong": () => ({ app: s.app(null, { name: "unlock" }), unlock: s.unlockWrong }),
  activation: () => activating(s.hello),
  "activation-refused": () => activating({ step: "refused", problem: s.problem("activation_invalid", { retry: false }) }),
  "activation-recovery": () => activating({ step: "recovery", code: s.recovery, name: martin.name }),
  "activation-passkey": () => activating({ step: "passkey", busy: false, problem: null }),
  "activation-done": () => activating({ step: "done" }),
  "invitation-code": () => inviting({ step: "code", code: { text: "K7QF-4M2", missing: 6, problem: null }, progress: null, problem: null }),
  "invitation-stretching": () => inviting({ step: "code", code: { text: "K7QF-4M2X-9WDH-P", missing: 0, problem: null }, progress: 0.4, problem: null }),
  "invitation-refused": () => inviting({ step: "refused", problem: s.problem("invitation_used", { retry: false }) }),
  "invitation-letter": () => inviting(s.letter),
  "invitation-account": () => inviting({ ...s.letter, account: { ...dupont, me: true } } as typeof s.letter),
  "invitation-recovery": () => inviting({ step: "recovery", code: s.recovery, name: dupont.name }),
  "inbox-patient": () => ({ app: s.app(dupont, { name: "inbox" }), inbox: s.inboxPatient }),
  "inbox-empty": () => ({ app: s.app(dupont, { name: "inbox" }, { unread: 0, connection: "offline" }), inbox: s.inboxEmpty }),
  "inbox-professional": () => ({ app: s.app(martin, { name: "inbox" }, { demo: true }), inbox: s.inboxProfessional }),
  "conversation-patient": () => jean({ conversation: s.conversation(dupont) }),
  "conversation-urgent": () => jean({ conversation: s.conversation(dupont), composer: s.composerUrgent }),
  "conversation-ended": () => jean({ conversation: s.conversation(dupont, s.ended) }),
  "conversation-alarm": () => jean({ conversation: s.conversation(dupont, { alarm: s.problem("fork", { alarm: true, retry: false }) }) }),
  "conversation-professional": () => claire({ conversation: s.conversation(martin, { entries: longStory(martin) }), composer: s.composerProfessional }),
  "conversation-states": () => claire({ conversation: s.conversation(martin, { entries: stateStory(martin, dupont) }), composer: s.composerProfessional }),
  "appointment-proposed": () => appointment("proposed"),
  "appointment-overseas": () => appointment("overseas"),
  "appointment-booked": () => appointment("booked"),
  "appointment-reminded": () => ({ ...appointment("booked"), reminders }),
  "appointment-all": () => appointment("gone", "remote", "cancelled"),
  "appointment-practice": () => appointmentOfPractice("asked"),
  "appointment-moved": () => appointmentOfPractice("movedTo", "kept"),
  "appointment-confirm": () => appointmentOfPractice("toConfirm"),
  "appointment-noted": () => appointment("noted"),
  "appointment-noted-practice": () => appointmentOfPractice("noting", "notTaken"),
  "conversation-undo": () =>
    claire({ conversation: s.conversation(martin, { send: { name: "undoable", seconds: 8 }, invitation: { state: "open", expires: Date.now() } }) }),
  "conversation-10000": () => jean({ conversation: s.conversation(dupont, { entries: manyMessages(dupont, 10_000), older: "available" }) }),
  "conversation-crowded": () => jean({ conversation: crowded(dupont) }),
  "conversation-crowded-professional": () => claire({ conversation: crowded(martin), composer: { ...s.composerProfessional, documents: [] } }),
  "inbox-crowded": () => ({ app: s.app(dupont, { name: "inbox" }, { unread: 120 }), inbox: fortyRows(s.inboxPatient) }),
  "inbox-crowded-professional": () => ({ app: s.app(martin, { name: "inbox" }, { unread: 120 }), inbox: fortyRows(s.inboxProfessional) }),
  "inbox-nothing-found": () => ({ app: s.app(martin, { name: "inbox" }), inbox: { ...s.inboxProfessional, rows: [], search: "xyz" } }),
  "inbox-loading": () => ({ app: s.app(dupont, { name: "inbox" }, { connection: "connecting" }), inbox: { ...s.inboxEmpty, loading: true } }),
  "inbox-problem": () => ({ app: s.app(dupont, { name: "inbox" }, { connection: "offline" }), inbox: { ...s.inboxPatient, problem: s.problem("offline") } }),
  "conversation-loading": () => jean({ conversation: s.conversation(dupont, { loading: true, mayWrite: false, entries: [], recipient: null, subject: "" }) }),
  "conversation-problem": () => jean({ conversation: s.conversation(dupont, { problem: s.problem("offline") }) }),
  "conversation-found": () => ({ ...jean({ conversation: s.conversation(dupont) }), app: s.app(dupont, { ...PATIENT, sought: { query: "pamplemousse", message: "m2" } }) }),
  removed: () => ({ app: s.app(null, { name: "removed" }) }),
  new: () => ({ app: s.app(martin, { name: "new", patient: null }), inbox: s.inboxProfessional }),
  letter: () => ({
    app: s.app(martin, { name: "new", patient: null }), inbox: s.inboxProfessional,
    newConversation: { ...s.newConversation, step: "invitation", invitation: s.invitation },
  }),
  write: () => ({ app: s.app(dupont, { name: "write", to: null }) }),
  "write-message": () => ({ app: s.app(dupont, { name: "write", to: "martin" }), write: { ...s.write, step: "write", chosen: s.write.choices[0] ?? null } }),
  settings: () => ({ app: s.app(martin, { name: "settings" }), inbox: s.inboxProfessional }),
  "settings-patient": () => ({ app: s.app(dupont, { name: "settings" }, { connection: "ended" }), settings: { ...s.settings, me: { ...dupont, me: true }, acceptsPatients: null } }),
};
