/**
 * Following the feed. Phases as in hydrogen: fetch, open and verify, one transaction, then tell. The live socket only
 * brings the same entries sooner: a gap, a word "behind" or a dead socket lead back to HTTP, which is the truth.
 * Of several tabs one leads and holds the connection; the others hear what it has committed.
 * Source: docs/spec/api.md 8.
 */

import type { Api } from "../api/client.ts";
import { Refused } from "../api/refusal.ts";
import type { DeliveryMark, FeedEntry, FeedPage } from "../api/types.ts";
import type { Cancel, Candidacy, LiveSocket, Platform } from "../platform/platform.ts";
import type { Changes } from "./changes.ts";
import { backOff } from "./pending.ts";
import { codeOf, isPassing } from "./refusals.ts";

const PAGE = 200; // entries
const LONG_POLL = 25; // seconds
/** After this many sockets that did not hold, messages come by long poll for a while. */
const SOCKET_PATIENCE = 2;
const POLLS_BEFORE_SOCKET = 4;
const PONG_WITHIN = 2_000; // milliseconds

export type Connection = "connecting" | "live" | "polling" | "offline" | "ended";

/** Where entries go: the log of the conversations. All methods commit before they resolve. */
export interface Sink {
  /** Position up to which everything is on this device; null before the first start. */
  cursor(): Promise<number | null>;
  /** First start on this device, or one after years: take the newest of every conversation; resolves with the cursor. */
  begin(): Promise<number>;
  /** Verify and keep entries that follow the cursor; moves it in the same transaction. */
  absorb(entries: readonly FeedEntry[]): Promise<number>;
  mark(mark: DeliveryMark): Promise<void>;
}

export type SyncParts = {
  readonly platform: Platform;
  readonly api: Api;
  readonly changes: Changes;
  readonly sink: Sink;
  readonly connection: (connection: Connection) => void;
  /** The network is back, the log is up to date: time to send what waits. */
  readonly fresh: () => void;
};

export class Sync {
  readonly #parts: SyncParts;
  readonly #cancels: Cancel[] = [];
  #candidacy: Candidacy | null = null;
  #leading = false;
  #stopped = false;
  #round: AbortController | null = null;
  #nudge: () => void = () => undefined;
  #pong: Cancel | null = null;

  constructor(parts: SyncParts) {
    this.#parts = parts;
  }

  start(): void {
    const { platform, changes, connection } = this.#parts;
    connection(platform.network.online ? "connecting" : "offline");
    this.#cancels.push(
      platform.network.watch(() => {
        this.#hurry();
      }),
      platform.visibility.watch(() => {
        if (platform.visibility.visible) this.#askLeader();
      }),
      changes.watch((changed, here) => {
        if (here) return;
        if (changed.what === "ping" && this.#leading) changes.tell({ what: "pong" });
        if (changed.what === "pong") this.#pong?.();
      }),
    );
    this.#candidacy = platform.tabs.elect("sync", {
      lead: () => {
        this.#leading = true;
        void this.#lead();
      },
      lost: () => {
        this.#leading = false;
        this.#round?.abort();
      },
    });
    // A follower shows what the leader has; its own connection is not of interest.
    platform.clock.after(0, () => {
      if (!this.#leading && !this.#stopped) connection("live");
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels.splice(0)) cancel();
    this.#pong?.();
    this.#candidacy?.resign();
    this.#round?.abort();
    this.#nudge();
  }

  /** Do not wait out a pause: somebody looks, or the network is back. */
  #hurry(): void {
    if (!this.#parts.platform.network.online) this.#parts.connection("offline");
    this.#round?.abort();
    this.#nudge();
  }

  /** A leader in a frozen tab must not keep a visible one waiting. */
  #askLeader(): void {
    if (this.#leading) {
      this.#nudge();
      return;
    }
    this.#pong?.();
    this.#parts.changes.tell({ what: "ping" });
    const cancel = this.#parts.platform.clock.after(PONG_WITHIN, () => {
      this.#candidacy?.seize();
    });
    this.#pong = () => {
      cancel();
      this.#pong = null;
    };
  }

  async #lead(): Promise<void> {
    let failures = 0;
    let sockets = 0;
    while (this.#leading && !this.#stopped) {
      this.#round = new AbortController();
      const { signal } = this.#round;
      try {
        await this.#catchUp(signal);
        failures = 0;
        this.#parts.fresh();
        if (sockets < SOCKET_PATIENCE) sockets = (await this.#listen(signal)) ? 0 : sockets + 1;
        else {
          await this.#poll(signal);
          sockets = SOCKET_PATIENCE - 1;
        }
      } catch (error) {
        if (this.#isOver(error)) return;
        if (!signal.aborted) failures += 1;
        await this.#pause(failures, isPassing(error));
      }
    }
  }

  /** Everything up to now, over HTTP. */
  async #catchUp(signal: AbortSignal): Promise<number> {
    const { api, sink } = this.#parts;
    let cursor = (await sink.cursor()) ?? (await this.#begin());
    for (;;) {
      const page = await api.feed(cursor, 0, PAGE, signal);
      if (page.events.length === 0) return cursor;
      if (isTooLate(page, cursor)) {
        cursor = await this.#begin();
        continue;
      }
      cursor = await sink.absorb(page.events);
      await api.acknowledge(cursor);
      if (cursor >= page.last) return cursor;
    }
  }

  async #begin(): Promise<number> {
    const cursor = await this.#parts.sink.begin();
    await this.#parts.api.acknowledge(cursor);
    return cursor;
  }

  /** Follow the socket until it ends; false when it never brought anything. */
  async #listen(signal: AbortSignal): Promise<boolean> {
    const { api, platform, sink } = this.#parts;
    const { ticket } = await api.ticket();
    const after = (await sink.cursor()) ?? 0;
    if (signal.aborted) return false;
    return new Promise((resolve) => {
      const stream = new LiveStream(this.#parts, {
        catchUp: () => this.#catchUp(signal),
        over: (held) => {
          signal.removeEventListener("abort", stop);
          resolve(held);
        },
      });
      const stop = (): void => {
        stream.close();
      };
      signal.addEventListener("abort", stop);
      stream.open(platform.live.connect({ ticket, after }, stream.handlers));
    });
  }

  /** The socket does not work here (a proxy): ask and wait, ask and wait. */
  async #poll(signal: AbortSignal): Promise<void> {
    const { api, sink, connection } = this.#parts;
    connection("polling");
    for (let i = 0; i < POLLS_BEFORE_SOCKET && !signal.aborted; i += 1) {
      const cursor = (await sink.cursor()) ?? 0;
      const page = await api.feed(cursor, LONG_POLL, PAGE, signal);
      if (page.events.length === 0) continue;
      if (isTooLate(page, cursor)) await this.#begin();
      else await api.acknowledge(await sink.absorb(page.events));
    }
  }

  /** The session is over and cannot be renewed: only the person can help. */
  #isOver(error: unknown): boolean {
    const code = codeOf(error);
    const over = error instanceof Refused && (code === "unauthenticated" || code === "signature_refused");
    if (over) this.#parts.connection("ended");
    return over;
  }

  /** `away`: nothing answers, though the browser may believe that there is a network. */
  async #pause(failures: number, away: boolean): Promise<void> {
    const { platform, connection } = this.#parts;
    const offline = !platform.network.online || (away && failures > 0);
    connection(offline ? "offline" : "connecting");
    if (failures === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = platform.clock.after(backOff(failures, Math.random()), resolve);
      this.#nudge = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** What follows the cursor is not kept any more: the conversations must be read anew (docs/spec/api.md 8.2). */
function isTooLate({ first, events }: FeedPage, cursor: number): boolean {
  return Math.max(first, events[0]?.position ?? 0) > cursor + 1;
}

type StreamEvents = { readonly catchUp: () => Promise<number>; readonly over: (held: boolean) => void };

/** One socket: entries in order into the sink, acknowledged once they are committed. */
class LiveStream {
  readonly #parts: SyncParts;
  readonly #events: StreamEvents;
  #socket: LiveSocket | null = null;
  #waiting: FeedEntry[] = [];
  #behind = false;
  #working = false;
  #held = false;
  #closed = false;

  constructor(parts: SyncParts, events: StreamEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  readonly handlers = {
    opened: (): void => {
      this.#held = true;
      this.#parts.connection("live");
    },
    closed: (): void => {
      this.close();
    },
    event: (name: string, body: unknown): void => {
      if (name === "event") this.#waiting.push(body as FeedEntry);
      else if (name === "behind") this.#behind = true;
      else if (name === "mark") void this.#parts.sink.mark(body as DeliveryMark).catch(() => undefined);
      else if (name === "ended") this.close();
      void this.#work();
    },
  };

  open(socket: LiveSocket): void {
    this.#socket = socket;
    if (this.#closed) socket.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket?.close();
    this.#events.over(this.#held);
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      while (!this.#closed && (this.#waiting.length > 0 || this.#behind)) {
        const position = await this.#take();
        this.#socket?.emit("ack", { position });
      }
    } catch {
      // What could not be kept now is fetched again over HTTP after a pause.
      this.#held = false;
      this.close();
    } finally {
      this.#working = false;
    }
  }

  /** What waits, in one transaction; or everything over HTTP when something is missing in between. */
  async #take(): Promise<number> {
    const entries = this.#waiting.splice(0);
    const cursor = (await this.#parts.sink.cursor()) ?? 0;
    const fresh = entries.filter((entry) => entry.position > cursor);
    const gap = fresh.some((entry, i) => entry.position !== cursor + 1 + i);
    if (this.#behind || gap) {
      this.#behind = false;
      return this.#events.catchUp();
    }
    return fresh.length === 0 ? cursor : this.#parts.sink.absorb(fresh);
  }
}
