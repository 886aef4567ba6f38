/** (6) A professional writes to somebody: an invitation that travels, or a patient already met. */

import type { Beginning } from "../model/beginnings.ts";
import type { Home } from "../model/home.ts";
import { ComposerBox } from "./composer.ts";
import { shownInvitation } from "./shown_invitation.ts";
import { Observable } from "./observable.ts";
import { personOf, problemOf } from "./presenting.ts";
import type { InvitationToShow, NewConversationModel, NewConversationState, Person, Travel } from "./types.ts";

export class NewConversation implements NewConversationModel {
  readonly state: Observable<NewConversationState>;
  readonly composer: ComposerBox;
  readonly #home: Home;
  readonly #open: (conversation: string) => void;
  readonly #stop: () => void;
  /** Made once: a second "send" after a failure sends the same bytes. */
  #beginning: Beginning | null = null;
  #conversation: string | null = null;

  constructor(home: Home, patient: string | null, open: (conversation: string) => void) {
    this.#home = home;
    this.#open = open;
    this.composer = new ComposerBox({ attachments: () => home.attachments, now: () => home.now(), professional: true });
    this.state = new Observable<NewConversationState>({
      step: "write",
      name: "",
      subject: "",
      travel: "qr",
      patient: null,
      canSend: false,
      progress: null,
      invitation: null,
      problem: null,
    });
    this.#stop = this.composer.state.subscribe(() => {
      this.#changed({});
    });
    if (patient !== null) void this.#meet(patient);
  }

  name(text: string): void {
    this.#changed({ name: text });
  }

  subject(text: string): void {
    this.#changed({ subject: text });
  }

  travel(by: Travel): void {
    this.#changed({ travel: by });
  }

  async send(): Promise<void> {
    if (!this.state.value.canSend || this.state.value.step !== "write") return;
    this.state.patch({ step: "sending", problem: null });
    try {
      this.#beginning ??= await this.#prepare();
      await this.#home.beginnings.send(this.#beginning);
      this.#conversation = this.#beginning.conversation;
      const invitation = await this.#invitation(this.#beginning);
      this.composer.take();
      if (invitation === null) this.open();
      else this.state.patch({ step: "invitation", invitation, progress: null });
    } catch (error) {
      const problem = problemOf(error);
      // Refused for good: what is sent next time is made anew.
      if (!problem.retry) await this.#giveUp();
      this.state.patch({ step: "write", progress: null, problem });
    }
  }

  open(): void {
    if (this.#conversation !== null) this.#open(this.#conversation);
  }

  dispose(): void {
    this.#stop();
  }

  async #prepare(): Promise<Beginning> {
    const { name, subject, patient } = this.state.value;
    const { payload, reply } = this.composer.written();
    const other =
      patient === null
        ? { invited: await this.#home.draw(name.trim(), (progress) => { this.state.patch({ progress }); }) }
        : { account: patient.id, role: "patient" as const, name: patient.name };
    return this.#home.beginnings.prepare({ role: "owner", name: null, with: other, subject: subject.trim(), first: payload, reply });
  }

  async #giveUp(): Promise<void> {
    if (this.#beginning !== null) await this.#home.beginnings.forget(this.#beginning);
    this.#beginning = null;
  }

  async #invitation({ conversation, invitation }: Beginning): Promise<InvitationToShow | null> {
    const facts = await this.#home.log.facts(conversation);
    return facts === undefined || invitation === null ? null : shownInvitation(invitation.kept, facts, this.#home);
  }

  async #meet(account: string): Promise<void> {
    const all = await this.#home.log.all();
    const fact = all.flatMap(({ people }) => people).find(({ id }) => id === account);
    const patient: Person | null = fact === undefined ? null : personOf(fact, this.#home.account);
    this.#changed({ patient, name: patient?.name ?? "" });
  }

  #changed(fields: Partial<NewConversationState>): void {
    const next = { ...this.state.value, ...fields };
    const named = next.name.trim() !== "" && next.subject.trim() !== "";
    this.state.set({ ...next, canSend: named && this.composer.state.value.canSend });
  }
}
