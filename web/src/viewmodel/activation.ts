/** (2) A professional makes the keys of the account that the operator has prepared. */

import { isToken, type Client } from "../model/client.ts";
import type { Joining } from "../model/joining.ts";
import { inUse } from "./in_use.ts";
import { Observable } from "./observable.ts";
import { problemOf, problemOfCode, recoveryOf } from "./presenting.ts";
import type { ActivationModel, ActivationState, Person } from "./types.ts";

export type ActivationParts = {
  readonly client: Client;
  readonly token: string;
  /** Who is logged in here. */
  readonly account: () => Person | null;
  readonly inside: () => void;
  /** This was interrupted after the keys were made; its code is shown again. */
  readonly left: Joining | null;
};

export class Activation implements ActivationModel {
  readonly state = new Observable<ActivationState>({ step: "loading" });
  readonly #parts: ActivationParts;
  #name = "";

  constructor(parts: ActivationParts) {
    this.#parts = parts;
    if (parts.left === null) void this.#load();
    else this.#made(parts.left);
  }

  retry(): void {
    this.state.set({ step: "loading" });
    void this.#load();
  }

  async accept(): Promise<void> {
    const before = this.state.value;
    if (before.step !== "hello") return;
    this.state.set({ step: "working" });
    try {
      this.#made(await this.#parts.client.activate(this.#parts.token, this.#name));
    } catch (error) {
      const other = await inUse(error, this.#parts.client, this.#parts.account());
      this.state.set({ ...before, inUse: other, problem: other === null ? problemOf(error) : null });
    }
  }

  async takeOver(): Promise<void> {
    this.keep();
    await this.#parts.client.logOff().catch(() => undefined); // what was not erased is asked about again
    await this.accept();
  }

  keep(): void {
    if (this.state.value.step === "hello") this.state.set({ ...this.state.value, inUse: null });
  }

  keptCode(): void {
    void this.#parts.client.codeKept();
    void this.#parts.client.platform.passkeys.available().then((possible) => {
      this.state.set(possible ? { step: "passkey", busy: false, problem: null } : { step: "done" });
    });
  }

  async addPasskey(): Promise<void> {
    this.state.set({ step: "passkey", busy: true, problem: null });
    try {
      await this.#parts.client.home?.own.addPasskey(this.#name);
      this.state.set({ step: "done" });
    } catch (error) {
      this.state.set({ step: "passkey", busy: false, problem: problemOf(error) });
    }
  }

  skipPasskey(): void {
    this.state.set({ step: "done" });
  }

  open(): void {
    this.#parts.inside();
  }

  dispose(): void {
    // Nothing is held.
  }

  async #load(): Promise<void> {
    if (!isToken(this.#parts.token)) {
      this.state.set({ step: "refused", problem: problemOfCode("activation_invalid") });
      return;
    }
    try {
      const { name, profession, identifier } = await this.#parts.client.activation(this.#parts.token);
      this.#name = name;
      this.state.set({ step: "hello", name, profession, identifier, inUse: null, problem: null });
    } catch (error) {
      this.state.set({ step: "refused", problem: problemOf(error) });
    }
  }

  #made(joining: Joining): void {
    this.#name = joining.name;
    this.state.set({ step: "recovery", code: recoveryOf(joining.recoveryCode), name: joining.name });
  }
}
