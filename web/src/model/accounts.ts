/**
 * The chains of everybody met, pinned: what was accepted once is never taken back (docs/spec/protocol.md 5.3).
 * Chains are kept as wires and replayed when first needed; the server only ever extends them.
 */

import type { Api } from "../api/client.ts";
import { acceptChain, extendChain, type ChainState } from "../protocol/account_chain.ts";
import { openCertificate, type Certificate } from "../protocol/certificate.ts";
import { b64, unb64 } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/errors.ts";
import type { AccountId, B64, Bytes } from "../protocol/suite.ts";
import type { Changes } from "./changes.ts";
import type { Vault } from "./vault.ts";


type Kept = { readonly links: readonly B64[] };

export class Accounts {
  readonly #vault: Vault;
  readonly #api: Api;
  readonly #changes: Changes;
  readonly #registryKey: Bytes;
  readonly #chains = new Map<AccountId, ChainState>();
  readonly #certificates = new Map<AccountId, { readonly wire: Bytes; readonly certificate: Certificate | null }>();
  readonly #fetching = new Map<AccountId, Promise<ChainState>>();

  constructor(vault: Vault, api: Api, changes: Changes, registryKey: Bytes) {
    this.#vault = vault;
    this.#api = api;
    this.#changes = changes;
    this.#registryKey = registryKey;
    changes.watch((changed, here) => {
      if (changed.what === "account" && !here) this.#chains.delete(changed.account);
    });
  }

  /** The pinned chain; fetched when unknown, or when it is shorter than `atLeast`. */
  async chain(account: AccountId, atLeast = 0): Promise<ChainState> {
    const known = await this.known(account);
    return known !== undefined && known.position >= atLeast ? known : this.refresh(account);
  }

  /** What this device has accepted so far; no network. */
  async known(account: AccountId): Promise<ChainState | undefined> {
    const loaded = this.#chains.get(account);
    if (loaded !== undefined) return loaded;
    const kept = await this.#vault.read<Kept>("accounts", account);
    if (kept === undefined) return undefined;
    const chain = await acceptChain(kept.links.map((link) => unb64(link)));
    this.#chains.set(account, chain);
    return chain;
  }

  /** Ask the server for the newest links. @throws ProtocolError `rollback` or `fork`, both alarms. */
  async refresh(account: AccountId): Promise<ChainState> {
    const running = this.#fetching.get(account) ?? this.#fetch(account);
    this.#fetching.set(account, running);
    try {
      return await running;
    } finally {
      this.#fetching.delete(account);
    }
  }

  /** Accept links that came another way (own ones, an invitation's) and pin them. `from`: position of the first. */
  async accept(account: AccountId, links: readonly Bytes[], from: number): Promise<ChainState> {
    const known = await this.known(account);
    const chain = known === undefined ? await acceptChain(links) : await extendChain(known, links, from);
    if (chain.account !== account) throw new ProtocolError("wrong_account", "chain of another account");
    if (chain === known) return chain;
    const kept = await this.#vault.read<Kept>("accounts", account);
    const fresh = links.slice((known?.position ?? -1) + 1 - from).map((link) => b64(link));
    await this.#vault.keep("accounts", account, { links: [...(kept?.links ?? []), ...fresh] } satisfies Kept);
    this.#chains.set(account, chain);
    this.#changes.tell({ what: "account", account });
    return chain;
  }

  /** Who the registry says this is, checked here; null: unverified. */
  async certificate(account: AccountId): Promise<Certificate | null> {
    const wire = (await this.known(account))?.certificate ?? null;
    if (wire === null) return null;
    const checked = this.#certificates.get(account);
    if (checked?.wire === wire) return checked.certificate;
    const certificate = await openCertificate(wire, this.#registryKey, account).catch(() => null);
    this.#certificates.set(account, { wire, certificate });
    return certificate;
  }

  async #fetch(account: AccountId): Promise<ChainState> {
    const known = await this.known(account);
    let after = known?.position ?? null;
    for (;;) {
      const page = await this.#api.chain(account, after);
      if (page.position < (after ?? 0)) throw new ProtocolError("rollback", "the server's chain is shorter than ours");
      const chain = await this.accept(account, page.links.map((link) => unb64(link)), after === null ? 0 : after + 1);
      if (chain.position >= page.position || page.links.length === 0) return this.#agreed(chain, page);
      after = chain.position;
    }
  }

  #agreed(chain: ChainState, page: { readonly position: number; readonly head: B64 }): ChainState {
    const head = chain.heads[page.position];
    if (head === undefined) throw new ProtocolError("bad_format", "links are missing");
    if (head !== page.head) throw new ProtocolError("fork", "another head at a known position");
    return chain;
  }
}
