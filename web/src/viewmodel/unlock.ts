/** (1) First page: the recovery code, the passkey, or "I have a letter". */

import type { Client } from "../model/client.ts";
import { Observable } from "./observable.ts";
import { codeField, EMPTY_CODE, problemOf, RECOVERY_LETTERS, typingError } from "./presenting.ts";
import type { UnlockModel, UnlockState } from "./types.ts";

export class Unlock implements UnlockModel {
  readonly state = new Observable<UnlockState>({
    code: EMPTY_CODE(RECOVERY_LETTERS),
    busy: false,
    passkey: false,
    problem: null,
  });
  readonly #client: Client;
  readonly #go: { readonly letter: () => void; readonly inside: () => void };

  constructor(client: Client, go: { readonly letter: () => void; readonly inside: () => void }) {
    this.#client = client;
    this.#go = go;
    void client.platform.passkeys.available().then((passkey) => {
      this.state.patch({ passkey });
    });
  }

  type(text: string): void {
    this.state.patch({ code: codeField(text, RECOVERY_LETTERS), problem: null });
  }

  async submit(): Promise<void> {
    const { text } = this.state.value.code;
    await this.#try(() => this.#client.unlockByCode(text));
  }

  async usePasskey(): Promise<void> {
    await this.#try(() => this.#client.unlockByPasskey());
  }

  haveLetter(): void {
    this.#go.letter();
  }

  dispose(): void {
    // Nothing is held.
  }

  async #try(way: () => Promise<void>): Promise<void> {
    if (this.state.value.busy) return;
    this.state.patch({ busy: true, problem: null });
    try {
      await way();
      // The code is not kept a moment longer than needed.
      this.state.patch({ code: EMPTY_CODE(RECOVERY_LETTERS) });
      this.#go.inside();
    } catch (error) {
      this.#tell(error);
    } finally {
      this.state.patch({ busy: false });
    }
  }

  #tell(error: unknown): void {
    const problem = problemOf(error);
    const typing = typingError(problem.code);
    if (typing === null) this.state.patch({ problem });
    else this.state.patch({ code: { ...this.state.value.code, problem: typing } });
  }
}
