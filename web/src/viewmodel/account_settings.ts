/** (7) Devices, sessions, a new recovery code, the passkey, the language, the open pharmacy, log-off. */

import type { Client } from "../model/client.ts";
import type { Home } from "../model/home.ts";
import { Observable } from "./observable.ts";
import { problemOf, recoveryOf } from "./presenting.ts";
import type { HolderRow, Person, SettingsModel, SettingsState } from "./types.ts";

const PHARMACIST = "21";

export class AccountSettings implements SettingsModel {
  readonly state: Observable<SettingsState>;
  readonly #client: Client;
  readonly #home: Home;
  readonly #out: () => Promise<void>;
  readonly #stop: () => void;

  constructor(client: Client, home: Home, me: Person | null, out: () => Promise<void>) {
    this.#client = client;
    this.#home = home;
    this.#out = out;
    this.state = new Observable<SettingsState>({
      loading: true,
      me,
      holders: [],
      sessions: [],
      language: home.own.settings.language,
      acceptsPatients: me?.profession === PHARMACIST ? home.own.settings.accepts_patients : null,
      passkeyPossible: false,
      recovery: null,
      server: { name: "", version: "", registryKey: "", messageDays: null },
      unsent: 0,
      busy: false,
      problem: null,
    });
    this.#stop = home.ground.changes.watch((changed) => {
      if (changed.what === "outbox" || changed.what === "conversation") void this.#count();
    });
    void this.#count();
    this.retry();
  }

  renewRecovery(): Promise<void> {
    return this.#try(async () => {
      this.state.patch({ recovery: recoveryOf(await this.#home.own.renewRecovery()) });
    });
  }

  keptCode(): void {
    this.state.patch({ recovery: null });
  }

  addPasskey(): Promise<void> {
    return this.#try(() => this.#home.own.addPasskey(this.state.value.me?.name ?? "Pli"));
  }

  removeHolder(id: string): Promise<void> {
    return this.#try(() => this.#home.own.removeHolder(id));
  }

  endSession(id: string): Promise<void> {
    return this.#try(() => this.#home.own.endSession(id));
  }

  language(tag: string): Promise<void> {
    return this.#try(async () => {
      await this.#home.own.change({ language: tag });
      this.state.patch({ language: tag });
    });
  }

  acceptPatients(yes: boolean): Promise<void> {
    return this.#try(async () => {
      await this.#home.own.change({ accepts_patients: yes });
      this.state.patch({ acceptsPatients: yes });
    });
  }

  logOff(): Promise<void> {
    return this.#out();
  }

  retry(): void {
    void this.#load();
  }

  dispose(): void {
    this.#stop();
  }

  /** After log-off there is no storage to count in. */
  async #count(): Promise<void> {
    const unsent = await this.#home.outbox.unsent().catch(() => null);
    if (unsent !== null && unsent !== this.state.value.unsent) this.state.patch({ unsent });
  }

  async #load(): Promise<void> {
    try {
      const [holders, sessions, server, passkeyPossible] = await Promise.all([
        this.#home.own.holders(),
        this.#home.own.sessions(),
        this.#home.server(),
        this.#client.platform.passkeys.available(),
      ]);
      this.state.patch({
        loading: false,
        passkeyPossible,
        server: { name: server.name, version: server.version, registryKey: server.registry_key, messageDays: server.message_days ?? null },
        holders: holders.map(({ id, kind, name }): HolderRow => {
          const current = id === this.#home.own.thisDevice;
          // The recovery code is renewed, never merely removed: it may be the last way in.
          return { id, kind, name, current, canRemove: !current && kind !== "recovery" };
        }),
        sessions: sessions.map(({ id, holder_name, created, last_used, current }) => ({
          id,
          holderName: holder_name,
          created,
          lastUsed: last_used,
          current,
        })),
      });
    } catch (error) {
      this.state.patch({ loading: false, problem: problemOf(error) });
    }
  }

  async #try(work: () => Promise<void>): Promise<void> {
    if (this.state.value.busy) return;
    this.state.patch({ busy: true, problem: null });
    try {
      await work();
      await this.#load();
    } catch (error) {
      this.state.patch({ problem: problemOf(error) });
    } finally {
      this.state.patch({ busy: false });
    }
  }
}
