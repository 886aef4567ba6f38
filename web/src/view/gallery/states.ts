import type {
  ActivationState, AppState, ComposerState, ConversationState, FindingState, InboxRow, InboxState, InvitationState, InvitationToShow, JournalState,
  NewConversationState, Person, Problem, RecoveryCode, SearchState, SettingsState, UnlockState, WriteState,
} from "../../viewmodel/types";
import { longStory, shortStory } from "./entries";
import { asMe, dupont, haddad, invited, martin, robert } from "./people";

const NOW = Date.now();
const DAY = 86_400_000;

export const problem = (code: string, more: Partial<Problem> = {}): Problem => ({ code, alarm: false, retry: true, retryAfter: null, ...more });
export const recovery: RecoveryCode = {
  groups: ["K7QF", "4M2X", "9WDH", "PRT6", "LU8B", "3NYZ", "AEC5"],
  text: "K7QF-4M2X-9WDH-PRT6-LU8B-3NYZ-AEC5",
};

export const app = (me: Person | null, route: AppState["route"], more: Partial<AppState> = {}): AppState => ({
  phase: me === null ? "locked" : "open", route, connection: "live", me: me && asMe(me), language: null, unread: 2,
  serverName: "Pli", demo: false, alarm: null, problem: null, ...more,
});

export const unlock: UnlockState = { code: { text: "", missing: 28, problem: null }, busy: false, passkey: true, inUse: null, problem: null };
export const unlockWrong: UnlockState = { ...unlock, passkey: false, code: { text: recovery.text, missing: 0, problem: "bad_check" } };

export const hello: ActivationState = { step: "hello", name: martin.name, profession: "10", identifier: "10101234567", inUse: null, problem: null };

export const letter: InvitationState = {
  step: "letter", writer: martin, people: [martin, invited], invited: "Jean Dupont", subject: "Votre ordonnance",
  entries: shortStory(dupont).slice(1, 2), expires: NOW + 20 * DAY, account: null, inUse: null, problem: null,
};

const row = (fields: Partial<InboxRow> & Pick<InboxRow, "conversation" | "title">): InboxRow => ({
  others: 0, subject: "Renouvellement", at: NOW - DAY / 4, preview: { text: "Merci docteur. Puis-je prendre le nouveau comprimé ?" },
  unread: 0, reply: { name: "open" }, state: null, invitation: null, alarm: null, ...fields,
});

const empty = { filter: "all", search: "", loading: false, hasMore: false, problem: null } as const;
export const inboxProfessional: InboxState = {
  ...empty, role: "professional", counts: { all: 5, unread: 2, waiting: 1, ended: 1 },
  rows: [
    row({ conversation: "c1", title: dupont, unread: 2 }),
    row({ conversation: "c2", title: { ...dupont, id: "b", name: "Ahmed Benali" }, subject: "Plaie de la main", preview: { key: "preview.document", params: { count: 2 } }, at: NOW - DAY, unread: 1 }),
    row({ conversation: "c3", title: invited, subject: "Résultats de la prise de sang", at: NOW - 2 * DAY, state: { name: "accepted" }, invitation: "open", preview: { text: "Bonjour Madame, voici vos résultats." } }),
    row({ conversation: "c4", title: { ...dupont, id: "t", name: "Thi Nguyen" }, at: NOW - 9 * DAY, state: { name: "read", by: [] }, reply: { name: "ended", by: martin, at: NOW }, preview: { key: "preview.ended", params: { by: martin.name } } }),
    row({ conversation: "c5", title: { ...dupont, id: "r", name: "Rose Girard" }, at: NOW - 400 * DAY, alarm: problem("fork", { alarm: true }), invitation: "expired" }),
  ],
};
export const inboxPatient: InboxState = {
  ...empty, role: "patient", counts: { all: 3, unread: 1, waiting: 0, ended: 1 },
  rows: [
    row({ conversation: "c1", title: martin, subject: "Votre ordonnance", preview: { text: "Vos chiffres de tension sont bons." } }),
    row({ conversation: "c2", title: haddad, subject: "Conseil", unread: 1, at: NOW - DAY, preview: { text: "À prendre le matin, avant le repas." } }),
    row({ conversation: "c3", title: robert, subject: "Pansement", at: NOW - 30 * DAY, reply: { name: "ended", by: robert, at: NOW - 30 * DAY }, preview: { key: "preview.ended", params: { by: robert.name } } }),
  ],
};
export const inboxEmpty: InboxState = { ...empty, role: "patient", rows: [], counts: { all: 0, unread: 0, waiting: 0, ended: 0 } };

export const composer: ComposerState = { text: "", documents: [], reply: null, replaces: null, canSend: false, problem: null };
export const composerUrgent: ComposerState = { ...composer, text: "J’ai une douleur dans la poitrine depuis ce matin.", canSend: true };
export const composerProfessional: ComposerState = {
  ...composer, text: "Oui, à jeun depuis 12 heures. Continuez le traitement.", canSend: true, reply: { name: "days", days: 7 },
  documents: [
    { id: "d1", name: "ordonnance_dupont.pdf", mediaType: "application/pdf", size: 182_000, title: "Traitement de la tension", document: "prescription", progress: 1, problem: null },
    { id: "d2", name: "vide.txt", mediaType: "text/plain", size: 0, title: "", document: null, progress: 0, problem: problem("file_empty", { retry: false }) },
  ],
};

export const conversation = (me: Person, more: Partial<ConversationState> = {}): ConversationState => {
  const patient = me.role === "patient";
  return {
    loading: false, subject: "Renouvellement du traitement", me: asMe(me),
    people: [martin, haddad, dupont].map((who) => (who.id === me.id ? asMe(who) : who)),
    recipient: patient ? martin : dupont,
    reply: { name: "until", at: NOW + 6 * DAY, passed: false, by: martin },
    replySentence: { key: patient ? "reply.until" : "reply.until.professional", params: { until: NOW + 6 * DAY } },
    mayWrite: true, mayEnd: !patient, mayChangeMembers: !patient, entries: shortStory(me), older: "none",
    send: { name: "ready" }, invitation: null, alarm: null, problem: null, ...more,
  };
};
export const ended: Partial<ConversationState> = {
  reply: { name: "ended", by: martin, at: NOW }, mayWrite: false, entries: longStory(dupont),
  replySentence: { key: "reply.ended", params: { by: martin.name, at: NOW } },
};

export const invitation: InvitationToShow = {
  conversation: "c1", name: "Jean Dupont", subject: "Votre ordonnance", writer: martin, code: "K7QF-4M2X-9WDH-P",
  link: "https://messagerie.cabinet-lilas.example/i#1.AAECAwQFBgcICQoLDA0ODw.EBESExQVFhcYGRobHB0eHw",
  site: "messagerie.cabinet-lilas.example/i", expires: NOW + 30 * DAY,
};
export const newConversation: NewConversationState = {
  step: "write", name: "Jean Dupont", subject: "Votre ordonnance", travel: "letter", patient: null, canSend: true,
  progress: null, invitation: null, problem: null,
};

export const write: WriteState = {
  step: "choose", loading: false, chosen: null, subject: "", canSend: false, problem: null,
  choices: [
    { account: "martin", name: martin.name, profession: "10", why: "met" },
    { account: "haddad", name: "Pharmacie des Lilas", profession: "21", why: "pharmacy" },
  ],
};

export const settings: SettingsState = {
  loading: false, me: asMe(martin), language: null, acceptsPatients: true, passkeyPossible: true, recovery: null, unsent: 2, busy: false, problem: null,
  holders: [
    { id: "h1", kind: "device", name: "Chromium sur Linux", current: true, canRemove: false },
    { id: "h2", kind: "device", name: "Safari sur iPhone", current: false, canRemove: true },
    { id: "h3", kind: "recovery", name: "", current: false, canRemove: false },
  ],
  sessions: [
    { id: "s1", holderName: "Chromium sur Linux", created: NOW - 9 * DAY, lastUsed: NOW, current: true },
    { id: "s2", holderName: "Safari sur iPhone", created: NOW - 90 * DAY, lastUsed: NOW - DAY, current: false },
  ],
  server: { name: "Cabinet des Lilas", version: "0.1.0", registryKey: "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80", messageDays: 365 },
};

export const journal: JournalState = {
  loading: false, more: true, problem: null,
  rows: [
    { id: "4", at: NOW - DAY / 8, what: { key: "access.read", params: { name: martin.name } }, subject: "Renouvellement du traitement" },
    { id: "3", at: NOW - DAY / 7, what: { key: "access.document_opened", params: { name: haddad.name } }, subject: "Renouvellement du traitement" },
    { id: "2", at: NOW - DAY, what: { key: "access.document_received", params: { name: martin.name } }, subject: "Votre ordonnance" },
    { id: "1", at: NOW - 9 * DAY, what: { key: "access.joined", params: { name: martin.name } }, subject: "" },
  ],
};

export const finding: FindingState = {
  query: "pamplemousse", words: ["pamplemousse"], busy: false, count: 2, at: 1, looked: 48, partial: true,
  shown: { message: "m2", author: dupont.name, at: NOW },
};
export const search: SearchState = {
  query: "pamplemousse", busy: false, count: 2, looked: 1_204, partial: true,
  rows: ["f1", "f2"].map((message, at) => ({
    conversation: "c1", message, title: at === 0 ? martin : invited, subject: "Renouvellement", author: dupont.name, at: NOW - at * DAY,
    excerpt: [{ text: "Puis-je le prendre avec mon jus de ", found: false }, { text: "pamplemousse", found: true }, { text: " ?", found: false }],
  })),
};
