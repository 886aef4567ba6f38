/** (8) A patient writes: a new subject to somebody who wrote before, or a pharmacy that opted in. */

import type { Client } from "../model/client.ts";
import type { Beginning } from "../model/beginnings.ts";
import type { Facts } from "../model/facts.ts";
import type { Home } from "../model/home.ts";
import { ComposerBox } from "./composer.ts";
import { Observable } from "./observable.ts";
import { problemOf } from "./presenting.ts";
import type { Correspondent, WriteModel, WriteState } from "./types.ts";

export class Write implements WriteModel {
  readonly state: Observable<WriteState>;
  readonly composer: ComposerBox;
  readonly #client: Client;
  readonly #home: Home;
  readonly #open: (conversation: string) => void;
  readonly #stop: () => void;
  #beginning: Beginning | null = null;

  constructor(client: Client, home: Home, to: string | null, open: (conversation: string) => void) {
    this.#client = client;
    this.#home = home;
    this.#open = open;
    this.composer = new ComposerBox({ attachments: () => home.attachments, now: () => home.now(), professional: false });
    this.state = new Observable<WriteState>({
      step: "choose",
      loading: true,
      choices: [],
      chosen: null,
      subject: "",
      canSend: false,
      problem: null,
    });
    this.#stop = this.composer.state.subscribe(() => {
      this.#changed({});
    });
    void this.#load(to);
  }

  choose(account: string): void {
    const chosen = this.state.value.choices.find((one) => one.account === account);
    if (chosen !== undefined) this.#changed({ chosen, step: "write" });
  }

  back(): void {
    this.#changed({ chosen: null, step: "choose" });
  }

  subject(text: string): void {
    this.#changed({ subject: text });
  }

  async send(): Promise<void> {
    const { chosen, canSend, subject } = this.state.value;
    if (chosen === null || !canSend) return;
    this.state.patch({ step: "sending", problem: null });
    try {
      this.#beginning ??= await this.#home.beginnings.prepare({
        role: "patient",
        name: await this.#ownName(),
        with: { account: chosen.account, role: "owner", name: null },
        subject: subject.trim(),
        first: this.composer.written().payload,
        reply: null,
      });
      await this.#home.beginnings.send(this.#beginning);
      this.composer.take();
      this.#open(this.#beginning.conversation);
    } catch (error) {
      const problem = problemOf(error);
      if (!problem.retry && this.#beginning !== null) {
        await this.#home.beginnings.forget(this.#beginning);
        this.#beginning = null;
      }
      this.state.patch({ step: "write", problem });
    }
  }

  dispose(): void {
    this.#stop();
  }

  async #load(to: string | null): Promise<void> {
    const met = (await this.#home.log.all()).flatMap(professionalsIn);
    const pharmacies = await this.#client.pharmacies().catch((error: unknown) => {
      this.state.patch({ problem: problemOf(error) });
      return [];
    });
    const open = pharmacies.map(({ account, name, profession }) => ({ account, name, profession, why: "pharmacy" }) as const);
    const choices = [...new Map([...open, ...met].map((one) => [one.account, one])).values()];
    this.#changed({ loading: false, choices });
    if (to !== null) this.choose(to);
  }

  /** How the professionals call me in what we have written so far. */
  async #ownName(): Promise<string> {
    const all = await this.#home.log.all();
    return all.flatMap(({ people }) => people).find(({ id, name }) => id === this.#home.account && name !== "")?.name ?? "";
  }

  #changed(fields: Partial<WriteState>): void {
    const next = { ...this.state.value, ...fields };
    this.state.set({
      ...next,
      canSend: next.chosen !== null && next.subject.trim() !== "" && this.composer.state.value.canSend,
    });
  }
}

/** Who wrote to me as an owner; who has ended everything may refuse, and the server says so. */
function professionalsIn({ people }: Facts): readonly Correspondent[] {
  return people
    .filter(({ role, verified, standing }) => role === "owner" && verified && standing === "member")
    .map(({ id, name, profession }) => ({ account: id, name, profession: profession ?? "", why: "met" }));
}
