/** (3) A letter: by link or by typed code, who writes, what it says, then an account without a password. */

import type { Client } from "../model/client.ts";
import type { Joining } from "../model/joining.ts";
import type { Letter } from "../model/letter.ts";
import { plainLine } from "../model/plain_line.ts";
import { LocalRefusal } from "../model/refusals.ts";
import { inUse } from "./in_use.ts";
import { Observable } from "./observable.ts";
import { codeField, EMPTY_CODE, INVITATION_LETTERS, personOf, problemOf, recoveryOf, stranger, typingError } from "./presenting.ts";
import { documentCard } from "./timeline.ts";
import type { Entry, InvitationModel, InvitationState, OpenedDocument, Person } from "./types.ts";

export type InvitationParts = {
  readonly client: Client;
  /** Fragment of the link; null: a code is typed. */
  readonly link: string | null;
  readonly inside: (conversation: string) => void;
  /** Who is logged in here. */
  readonly account: () => Person | null;
  /** This was interrupted after the account was made; its code is shown again. */
  readonly left: Joining | null;
};

export class Invitation implements InvitationModel {
  readonly state: Observable<InvitationState>;
  readonly #parts: InvitationParts;
  #letter: Letter | null = null;
  #conversation: string | null = null;
  #name = "";

  constructor(parts: InvitationParts) {
    this.#parts = parts;
    const code: InvitationState = { step: "code", code: EMPTY_CODE(INVITATION_LETTERS), progress: null, problem: null };
    this.state = new Observable<InvitationState>(parts.link === null ? code : { step: "opening" });
    if (parts.left !== null) this.#made(parts.left);
    else if (parts.link !== null) void this.#open(parts.link);
  }

  type(text: string): void {
    if (this.state.value.step !== "code") return;
    this.state.set({ step: "code", code: codeField(text, INVITATION_LETTERS), progress: null, problem: null });
  }

  async submitCode(): Promise<void> {
    const before = this.state.value;
    if (before.step !== "code" || before.progress !== null) return;
    const progress = (share: number): void => {
      this.state.set({ ...before, progress: share, problem: null });
    };
    progress(0);
    try {
      this.#show(await this.#parts.client.letterByCode(before.code.text, progress));
    } catch (error) {
      const problem = problemOf(error);
      const typing = typingError(problem.code);
      const code = { ...before.code, problem: typing };
      this.state.set({ step: "code", code, progress: null, problem: typing === null ? problem : null });
    }
  }

  retry(): void {
    const { link } = this.#parts;
    if (link === null) this.state.set({ step: "code", code: EMPTY_CODE(INVITATION_LETTERS), progress: null, problem: null });
    else void this.#open(link);
  }

  /** Documents are given to members only: first the account, then the document. */
  openDocument(): Promise<OpenedDocument> {
    return Promise.reject(new LocalRefusal("account_first"));
  }

  async accept(choice: "new" | "existing"): Promise<void> {
    const before = this.state.value;
    const letter = this.#letter;
    if (before.step !== "letter" || letter === null) return;
    this.state.set({ step: "working" });
    try {
      if (choice === "existing") this.#parts.inside(await this.#parts.client.claimHere(letter));
      else this.#made(await this.#parts.client.claim(letter));
    } catch (error) {
      const account = this.#parts.account();
      const other = await inUse(error, this.#parts.client, account);
      this.state.set({ ...before, account, inUse: other, problem: other === null ? problemOf(error) : null });
    }
  }

  async takeOver(): Promise<void> {
    this.keep();
    await this.#parts.client.logOff().catch(() => undefined); // what was not erased is asked about again
    await this.accept("new");
  }

  keep(): void {
    if (this.state.value.step === "letter") this.state.set({ ...this.state.value, inUse: null });
  }

  async decline(): Promise<void> {
    const before = this.state.value;
    const letter = this.#letter;
    if (before.step !== "letter" || letter === null) return;
    this.state.set({ step: "working" });
    try {
      await this.#parts.client.refuse(letter);
      this.state.set({ step: "declined", name: before.writer.name });
    } catch (error) {
      this.state.set({ ...before, problem: problemOf(error) });
    }
  }

  keptCode(): void {
    void this.#parts.client.codeKept();
    void this.#parts.client.platform.passkeys.available().then((possible) => {
      if (possible) this.state.set({ step: "passkey", busy: false, problem: null });
      else this.#inside();
    });
  }

  async addPasskey(): Promise<void> {
    this.state.set({ step: "passkey", busy: true, problem: null });
    try {
      await this.#parts.client.home?.own.addPasskey(this.#name);
      this.#inside();
    } catch (error) {
      this.state.set({ step: "passkey", busy: false, problem: problemOf(error) });
    }
  }

  skipPasskey(): void {
    this.#inside();
  }

  dispose(): void {
    // Nothing is held.
  }

  async #open(link: string): Promise<void> {
    this.state.set({ step: "opening" });
    try {
      this.#show(await this.#parts.client.letterByLink(link));
    } catch (error) {
      this.state.set({ step: "refused", problem: problemOf(error) });
    }
  }

  #show(letter: Letter): void {
    this.#letter = letter;
    this.#name = letter.invited;
    const people = letter.people.map((fact) => personOf(fact, letter.invite.member));
    const writer = people.find(({ id }) => id === letter.writer) ?? stranger(letter.writer);
    this.state.set({
      step: "letter",
      writer,
      people,
      invited: letter.invited,
      subject: plainLine(letter.conversation.roster?.subject ?? ""),
      entries: entriesOf(letter, people),
      expires: letter.detail.expires,
      account: this.#parts.account(),
      inUse: null,
      problem: null,
    });
  }

  #made(joining: Joining): void {
    if (joining.how === "claim") this.#conversation = joining.conversation;
    this.#name = joining.name;
    this.state.set({ step: "recovery", code: recoveryOf(joining.recoveryCode), name: joining.name });
  }

  #inside(): void {
    this.#parts.inside(this.#conversation ?? "");
  }
}

/** The texts of the letter; nothing in it has a state yet. */
function entriesOf(letter: Letter, people: readonly Person[]): readonly Entry[] {
  return letter.entries.flatMap((entry): Entry[] => {
    const said = entry.message?.content.said;
    if (said?.type !== "text") return [];
    const about = { message: entry.id, openedBy: [], states: new Map() };
    return [
      {
        kind: "message",
        id: entry.id,
        seq: entry.seq,
        author: people.find(({ id }) => id === entry.author) ?? stranger(entry.author),
        mine: false,
        at: entry.at,
        text: said.payload.text,
        documents: said.payload.attachments.map((one) => documentCard(one, about)),
        state: { name: "accepted" },
        replaces: said.payload.replaces,
        replacedBy: null,
        warning: null,
        canRetract: false,
        canTakeBack: false,
      },
    ];
  });
}
