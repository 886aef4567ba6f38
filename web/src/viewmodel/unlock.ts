/** (1) First page: the recovery code, the passkey, or "I have a letter". */

import type { Client } from "../model/client.ts";
import { inUse } from "./in_use.ts";
import { Observable } from "./observable.ts";
import { codeField, EMPTY_CODE, problemOf, RECOVERY_LETTERS, typingError } from "./presenting.ts";
import type { Person, UnlockModel, UnlockState } from "./types.ts";

export type UnlockParts = {
  readonly client: Client;
  /** Who is logged in here. */
  readonly account: () => Person | null;
  readonly letter: () => void;
  readonly inside: () => void;
};

export class Unlock implements UnlockModel {
  readonly state = new Observable<UnlockState>({
    code: EMPTY_CODE(RECOVERY_LETTERS),
    busy: false,
    passkey: false,
    inUse: null,
    problem: null,
  });
  readonly #parts: UnlockParts;
  /** The way that found another account here. */
  #again: () => Promise<void> = () => Promise.resolve();

  constructor(parts: UnlockParts) {
    this.#parts = parts;
    void parts.client.platform.passkeys.available().then((passkey) => {
      this.state.patch({ passkey });
    });
  }

  type(text: string): void {
    this.state.patch({ code: codeField(text, RECOVERY_LETTERS), problem: null });
  }

  async submit(): Promise<void> {
    const { text } = this.state.value.code;
    await this.#try(() => this.#parts.client.unlockByCode(text));
  }

  async usePasskey(): Promise<void> {
    await this.#try(() => this.#parts.client.unlockByPasskey());
  }

  haveLetter(): void {
    this.#parts.letter();
  }

  async takeOver(): Promise<void> {
    this.keep();
    await this.#parts.client.logOff().catch(() => undefined); // what was not erased is asked about again
    await this.#try(this.#again);
  }

  keep(): void {
    this.state.patch({ inUse: null });
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
      this.#parts.inside();
    } catch (error) {
      this.#again = way;
      const other = await inUse(error, this.#parts.client, this.#parts.account());
      if (other === null) this.#tell(error);
      else this.state.patch({ inUse: other });
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
