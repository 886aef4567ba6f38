/** (2) A professional makes the keys of the account that the operator has prepared. */

import { isToken, type Client } from "../model/client.ts";
import type { Joining } from "../model/joining.ts";
import { Observable } from "./observable.ts";
import { problemOf, problemOfCode, recoveryOf } from "./presenting.ts";
import type { ActivationModel, ActivationState } from "./types.ts";

export class Activation implements ActivationModel {
  readonly state = new Observable<ActivationState>({ step: "loading" });
  readonly #client: Client;
  readonly #token: string;
  readonly #inside: () => void;
  #name = "";

  /** `left`: this activation was interrupted after the keys were made; its code is shown again. */
  constructor(client: Client, token: string, inside: () => void, left: Joining | null) {
    this.#client = client;
    this.#token = token;
    this.#inside = inside;
    if (left === null) void this.#load();
    else this.#made(left);
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
      this.#made(await this.#client.activate(this.#token, this.#name));
    } catch (error) {
      this.state.set({ ...before, problem: problemOf(error) });
    }
  }

  keptCode(): void {
    void this.#client.codeKept();
    void this.#client.platform.passkeys.available().then((possible) => {
      this.state.set(possible ? { step: "passkey", busy: false, problem: null } : { step: "done" });
    });
  }

  async addPasskey(): Promise<void> {
    this.state.set({ step: "passkey", busy: true, problem: null });
    try {
      await this.#client.home?.own.addPasskey(this.#name);
      this.state.set({ step: "done" });
    } catch (error) {
      this.state.set({ step: "passkey", busy: false, problem: problemOf(error) });
    }
  }

  skipPasskey(): void {
    this.state.set({ step: "done" });
  }

  open(): void {
    this.#inside();
  }

  dispose(): void {
    // Nothing is held.
  }

  async #load(): Promise<void> {
    if (!isToken(this.#token)) {
      this.state.set({ step: "refused", problem: problemOfCode("activation_invalid") });
      return;
    }
    try {
      const { name, profession, identifier } = await this.#client.activation(this.#token);
      this.#name = name;
      this.state.set({ step: "hello", name, profession, identifier, problem: null });
    } catch (error) {
      this.state.set({ step: "refused", problem: problemOf(error) });
    }
  }

  #made(joining: Joining): void {
    this.#name = joining.name;
    this.state.set({ step: "recovery", code: recoveryOf(joining.recoveryCode), name: joining.name });
  }
}
