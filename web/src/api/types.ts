/** What travels, as docs/spec/api.md says. Byte strings stay base64url text here: api carries, it does not open. */

/** base64url without padding. */
export type B64 = string;

export type ServerInfo = {
  readonly id: B64;
  readonly name: string;
  readonly version: string;
  readonly registry_key: B64;
  readonly code_salt: B64;
  readonly now: number;
  readonly demo: boolean;
  /** Days that messages are kept; null: for ever. */
  readonly message_days?: number | null;
  readonly limits: { readonly envelope: number; readonly attachment: number; readonly upload_part: number };
};

// ---- accounts

export type HolderBox = { readonly holder: B64; readonly generation: number; readonly box: B64 };
export type PreviousSecret = { readonly generation: number; readonly sealed: B64 };

export type NewAccount = { readonly activation: B64; readonly chain: readonly B64[]; readonly boxes: readonly HolderBox[] };
export type CreatedAccount = { readonly account: B64; readonly certificate: B64 };
export type Activation = {
  readonly name: string;
  readonly profession: string;
  readonly identifier: string;
  readonly expires: number;
};
export type ChainPage = { readonly links: readonly B64[]; readonly position: number; readonly head: B64 };
export type Settings = { readonly accepts_patients: boolean; readonly language: string | null };
export type Me = {
  readonly account: B64;
  readonly holder: B64;
  readonly role: "professional" | "patient";
  readonly position: number;
  readonly head: B64;
  readonly generation: number;
  readonly box: B64 | null;
  readonly box_generation: number | null;
  readonly previous: readonly PreviousSecret[];
  readonly settings: Settings;
};
export type ChainUpdate = {
  readonly links: readonly B64[];
  readonly boxes: readonly HolderBox[];
  readonly previous: readonly PreviousSecret[];
};
export type DirectoryPerson = {
  readonly account: B64;
  readonly name: string;
  readonly profession: string;
  readonly identifier: string;
};

// ---- sessions

export type Challenge = { readonly challenge: B64; readonly expires: number };
export type SessionRequest = {
  readonly holder: B64;
  readonly challenge: B64;
  readonly signature: B64;
  readonly cookie: boolean;
};
export type EndRequest = {
  readonly holder: B64;
  readonly challenge: B64;
  readonly signature: B64;
  readonly after: number;
};
export type SessionOpened = { readonly token: string | null; readonly account: B64; readonly expires: number };
export type SessionRow = {
  readonly id: string;
  readonly holder: B64;
  readonly holder_name: string;
  readonly created: number;
  readonly last_used: number;
  readonly current: boolean;
};

// ---- conversations

export type Policy = {
  readonly reply: "open" | "none" | "until" | "ended";
  readonly until: number | null;
  readonly by: B64 | null;
};
export type MemberBox = { readonly member: B64; readonly box: B64 };
export type InvitationOffer = {
  readonly id: B64;
  readonly sign: B64;
  readonly enc: B64;
  readonly member: B64;
  readonly expires: number;
  readonly locator: B64 | null;
  readonly code_box: B64 | null;
};
export type ReplyMirror = "open" | "none" | { readonly until: number };
export type Kind = "message" | "receipt" | "end";
export type Submission = {
  readonly envelope: B64;
  readonly kind: Kind;
  /** What a professional says in the clear about answers; `keep` leaves the right as it is. */
  readonly reply: ReplyMirror | "keep" | null;
  readonly attachments: readonly B64[];
  readonly read_seq: number | null;
};
export type Accepted = { readonly id: B64; readonly seq: number; readonly state: "accepted"; readonly at: number };
export type NewConversation = {
  readonly record: B64;
  readonly boxes: readonly MemberBox[];
  readonly invitations: readonly InvitationOffer[];
  readonly envelope: Submission | null;
};
export type CreatedConversation = {
  readonly conversation: B64;
  readonly epoch: number;
  readonly seq: number;
  readonly message: Accepted | null;
};
export type Summary = {
  readonly conversation: B64;
  readonly epoch: number;
  readonly record: B64;
  readonly box: B64 | null;
  readonly last_seq: number;
  readonly last_at: number;
  readonly read_seq: number;
  readonly unread: number;
  readonly policy: Policy;
  readonly may_reply: boolean;
  /** The code with which a message of this account is refused for good. */
  readonly refused?: "patient_blocked" | "patient_left" | null;
  /** Where the log begins now, when no longer at its beginning. */
  readonly trimmed?: Trimmed | null;
};
export type Trimmed = { readonly from: number; readonly before: number };
export type SummaryPage = { readonly conversations: readonly Summary[]; readonly next?: string | null };
export type InvitationState = "open" | "claimed" | "expired" | "replaced" | "refused";
export type InvitationRow = {
  readonly id: B64;
  readonly member: B64;
  readonly sign: B64;
  readonly enc: B64;
  readonly expires: number;
  readonly state: InvitationState;
};
export type Delivered = { readonly account: B64; readonly seq: number };
export type ConversationDetail = Summary & {
  readonly delivered: readonly Delivered[];
  readonly invitations: readonly InvitationRow[];
  /** Where the next page of `invitations` begins. */
  readonly next?: string | null;
};
export type EpochRow = { readonly epoch: number; readonly seq: number; readonly record: B64; readonly box: B64 | null };
export type EpochPage = { readonly epochs: readonly EpochRow[] };
export type NewEpoch = {
  readonly record: B64;
  readonly boxes: readonly MemberBox[];
  readonly invitations: readonly InvitationOffer[];
};
export type CreatedEpoch = { readonly epoch: number; readonly seq: number };

type At = { readonly seq: number; readonly at: number };
export type EpochEvent = At & {
  readonly type: "epoch";
  readonly epoch: number;
  readonly record: B64;
  readonly box: B64 | null;
  readonly author: B64;
};
export type EnvelopeEvent = At & {
  readonly type: "envelope";
  readonly id: B64;
  readonly kind: Kind;
  readonly author: B64;
  readonly epoch: number;
  /** Null when it was retracted, and where the server no longer keeps it. */
  readonly envelope: B64 | null;
  readonly attachments: readonly B64[];
};
export type PolicyEvent = At & { readonly type: "policy"; readonly policy: Policy; readonly by: B64 | null };
export type LeftEvent = At & { readonly type: "left"; readonly account: B64 };
export type RefusedEvent = At & { readonly type: "refused"; readonly member: B64 };
export type BlockedEvent = At & {
  readonly type: "blocked";
  readonly patient: B64;
  readonly professional: B64;
  readonly blocked: boolean;
};
export type RetractedEvent = At & {
  readonly type: "retracted";
  readonly id: B64;
  readonly by: B64;
  readonly target_seq: number;
};
export type TrimmedEvent = At & Trimmed & { readonly type: "trimmed" };
export type Event =
  | EpochEvent
  | EnvelopeEvent
  | PolicyEvent
  | LeftEvent
  | RefusedEvent
  | BlockedEvent
  | RetractedEvent
  | TrimmedEvent;
export type EventPage = { readonly events: readonly Event[]; readonly last_seq: number };

export type AccessKind = "joined" | "gone" | "opened" | "read" | "document_opened" | "document_received";
export type JournalEntry = {
  readonly position: number;
  readonly kind: AccessKind;
  readonly at: number;
  readonly who: B64;
  readonly conversation: B64;
  readonly attachment: B64 | null;
  readonly previous: B64;
};
export type JournalPage = {
  readonly entries: readonly JournalEntry[];
  /** Of the oldest that is kept, and of the newest. */
  readonly first: number;
  readonly last: number;
  readonly head: B64;
};

// ---- invitations

export type InvitationDetail = {
  readonly id: B64;
  readonly conversation: B64;
  readonly member: B64;
  readonly state: InvitationState;
  readonly expires: number;
  readonly record: B64;
  readonly epochs: readonly B64[];
  readonly boxes: readonly { readonly epoch: number; readonly box: B64 }[];
  readonly chains: readonly { readonly account: B64; readonly links: readonly B64[] }[];
  readonly registry_key: B64;
  /** Where the next page of `epochs`, `boxes` and `chains` begins. */
  readonly next?: string | null;
};
export type CodeAnswer = { readonly id: B64; readonly code_box: B64 };
export type Claim = {
  readonly account: { readonly chain: readonly B64[]; readonly boxes: readonly HolderBox[] } | null;
  readonly sign: B64;
  readonly enc: B64;
  readonly record: B64;
  readonly boxes: readonly MemberBox[];
  readonly cookie: boolean;
};
export type Claimed = {
  readonly account: B64;
  readonly conversation: B64;
  readonly epoch: number;
  readonly seq: number;
};

// ---- feed and live

export type FeedEntry = { readonly position: number; readonly conversation: B64; readonly event: Event };
/** `first`: the oldest position that is kept. */
export type FeedPage = {
  readonly events: readonly FeedEntry[];
  readonly position: number;
  readonly first: number;
  readonly last: number;
};
export type Ticket = { readonly ticket: string; readonly expires: number };
export type DeliveryMark = { readonly conversation: B64; readonly account: B64; readonly delivered: number };

/** `application/problem+json` (docs/spec/api.md 9) with the extra members some codes carry. */
export type ProblemDocument = {
  readonly code: string;
  readonly status?: number;
  readonly detail?: string;
  readonly epoch?: number;
  readonly policy?: Policy;
};
