/** A browser for tests: in-memory IndexedDB, tabs that know each other, an address bar, no page. */

import "fake-indexeddb/auto";

import type {
  Cancel,
  Clock,
  Http,
  Live,
  PasskeyResult,
  Platform,
  Storage,
  Tabs,
} from "../platform/platform.ts";
import { PasskeyError } from "../platform/platform.ts";
import { openStorage } from "../platform/storage.ts";
import { stretchCode } from "../protocol/invitation.ts";
import { MockLocks } from "./mock_tabs.ts";

let browsers = 0;

/** What survives a reload, and what the tabs of one browser share. */
export class MockBrowser {
  readonly name: string;
  readonly locks = new MockLocks();
  passkey: { readonly credential: Uint8Array<ArrayBuffer>; readonly prf: Uint8Array<ArrayBuffer> | null } | null = null;

  constructor() {
    browsers += 1;
    this.name = `browser-${browsers}`;
  }

  /** A tab of this browser; the same again after a reload. */
  tab(outside: { readonly http: Http; readonly live: Live; readonly clock: Clock }): MockTab {
    return new MockTab(this, outside);
  }
}

class Switch {
  #on = true;
  readonly #watchers = new Set<() => void>();

  get on(): boolean {
    return this.#on;
  }

  set(on: boolean): void {
    this.#on = on;
    for (const run of [...this.#watchers]) run();
  }

  watch(changed: () => void): Cancel {
    this.#watchers.add(changed);
    return () => {
      this.#watchers.delete(changed);
    };
  }
}

export class MockTab implements Platform {
  readonly clock: Clock;
  readonly http: Http;
  readonly live: Live;
  readonly tabs: Tabs;
  readonly deviceName = "Test, Node";
  readonly language = "fr";
  zone = "Europe/Paris";
  readonly saved: { readonly name: string; readonly mediaType: string; readonly bytes: Uint8Array }[] = [];
  readonly online = new Switch();
  readonly shown = new Switch();
  lacking: "unsupported_browser" | "storage_unavailable" | null = null;
  /** How often "back" leads to an earlier place in this tab. */
  steps = 0;
  #place: Platform["address"]["current"] = { path: "/", fragment: "", note: null };
  readonly #moved = new Set<() => void>();
  readonly browser: MockBrowser;

  constructor(browser: MockBrowser, outside: { readonly http: Http; readonly live: Live; readonly clock: Clock }) {
    this.browser = browser;
    this.clock = outside.clock;
    this.live = outside.live;
    this.tabs = browser.locks.tab();
    this.http = {
      origin: outside.http.origin,
      fetch: (path, init) =>
        this.online.on ? outside.http.fetch(path, init) : Promise.reject(new TypeError("offline")),
    };
  }

  random(length: number): Uint8Array<ArrayBuffer> {
    return crypto.getRandomValues(new Uint8Array(length));
  }

  storage(): Promise<Storage> {
    return openStorage(this.browser.name);
  }

  get network(): Platform["network"] {
    return switched(this.online, "online") as Platform["network"];
  }

  get visibility(): Platform["visibility"] {
    return switched(this.shown, "visible") as Platform["visibility"];
  }

  readonly passkeys = {
    available: (): Promise<boolean> => Promise.resolve(this.browser.passkey !== null),
    create: (): Promise<PasskeyResult> => this.#passkey(),
    get: (): Promise<PasskeyResult> => this.#passkey(),
  };

  get address(): Platform["address"] {
    return {
      current: this.#place,
      show: (path, how, note) => {
        if (how === "push") this.steps += 1;
        this.#place = { path, fragment: "", note: note ?? null };
      },
      watch: (moved) => {
        this.#moved.add(moved);
        return () => {
          this.#moved.delete(moved);
        };
      },
    };
  }

  /** Type an address; with a `note`, come back to one that the page has shown. */
  visit(path: string, fragment = "", note: string | null = null): void {
    this.#place = { path, fragment, note };
    for (const run of [...this.#moved]) run();
  }

  /** What this tab has shown outside of itself, and what the person says when asked. */
  readonly shownNotices = new Map<string, { readonly title: string; readonly body: string }>();
  noticesShown = 0;
  answer: "granted" | "denied" = "granted";
  permission: Platform["notices"]["permission"] = "default";

  get notices(): Platform["notices"] {
    return {
      permission: this.permission,
      ask: () => Promise.resolve((this.permission = this.answer)),
      show: (tag, words) => {
        this.noticesShown += 1;
        this.shownNotices.set(tag, words);
        return Promise.resolve();
      },
      clear: (tag) => {
        this.shownNotices.delete(tag);
        return Promise.resolve();
      },
    };
  }

  readonly stretch: Platform["stretch"] = (code, salt, progress) => stretchCode(code, salt, progress);

  save(name: string, mediaType: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.saved.push({ name, mediaType, bytes });
  }

  missing(): Promise<"unsupported_browser" | "storage_unavailable" | null> {
    return Promise.resolve(this.lacking);
  }

  #passkey(): Promise<PasskeyResult> {
    const { passkey } = this.browser;
    return passkey === null ? Promise.reject(new PasskeyError("none")) : Promise.resolve(passkey);
  }
}

function switched(one: Switch, name: string): object {
  return {
    get [name](): boolean {
      return one.on;
    },
    watch: (changed: () => void) => one.watch(changed),
  };
}

/** Real time. */
export const realClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};
