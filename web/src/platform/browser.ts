/** The real browser. Made once, in `main.ts`. */

import { socketIo } from "./live.ts";
import { browserNotices } from "./notices.ts";
import { browserPasskeys } from "./passkeys.ts";
import type { Address, Cancel, Clock, Http, Network, Platform, Visibility } from "./platform.ts";
import { openStorage } from "./storage.ts";
import { stretchInWorker } from "./stretch.ts";
import { browserTabs } from "./tabs.ts";

const DATABASE = "pli";

/** `stretchWorker`: address of the bundled `model/stretch.worker.ts` (`?worker&url`). */
export function browserPlatform(parts: { readonly stretchWorker: string }): Platform {
  return {
    clock,
    random,
    http,
    live: socketIo(location.origin),
    storage: () => openStorage(DATABASE),
    tabs: browserTabs(),
    passkeys: browserPasskeys(random),
    address,
    network,
    visibility,
    notices: browserNotices(),
    stretch: stretchInWorker(parts.stretchWorker),
    deviceName: deviceName(navigator.userAgent),
    language: navigator.language,
    zone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
    save,
    missing,
  };
}

const clock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};

function random(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

const http: Http = {
  origin: location.origin,
  fetch: (path, init) => fetch(path, { ...init, credentials: "same-origin", cache: "no-store", redirect: "error" }),
};

const address: Address = {
  get current() {
    const note: unknown = history.state;
    return { path: location.pathname, fragment: location.hash.slice(1), note: typeof note === "string" ? note : null };
  },
  show: (path, how, note) => {
    if (how === "push") history.pushState(note ?? null, "", path);
    else history.replaceState(note ?? null, "", path);
  },
  // A new fragment fires popstate as well. Told of "hashchange" too, we would read the address again after its secret was taken out.
  watch: (moved) => both(window, ["popstate"], moved),
};

const network: Network = {
  get online() {
    return navigator.onLine;
  },
  watch: (changed) => both(window, ["online", "offline"], changed),
};

const visibility: Visibility = {
  get visible() {
    return document.visibilityState === "visible";
  },
  watch: (changed) => both(document, ["visibilitychange"], changed),
};

function both(target: EventTarget, names: readonly string[], run: () => void): Cancel {
  for (const name of names) target.addEventListener(name, run);
  return () => {
    for (const name of names) target.removeEventListener(name, run);
  };
}

function save(name: string, mediaType: string, bytes: Uint8Array<ArrayBuffer>): void {
  // Never the sender's type for what a browser would run: a downloaded page must not open as one of ours.
  const url = URL.createObjectURL(new Blob([bytes], { type: /html|xml|svg|script/.test(mediaType) ? "application/octet-stream" : mediaType }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}

async function missing(): Promise<"unsupported_browser" | "storage_unavailable" | null> {
  try {
    await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  } catch {
    return "unsupported_browser";
  }
  return typeof indexedDB === "undefined" ? "storage_unavailable" : null;
}

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg\//, "Edge"],
  [/Firefox\//, "Firefox"],
  [/Chrom(e|ium)\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS/, "macOS"],
  [/Linux/, "Linux"],
];

/** Coarse on purpose: it is written into the account chain. */
export function deviceName(userAgent: string): string {
  const first = (list: readonly (readonly [RegExp, string])[]): string | undefined =>
    list.find(([pattern]) => pattern.test(userAgent))?.[1];
  return [first(BROWSERS) ?? "Web", first(SYSTEMS)].filter((part) => part !== undefined).join(", ");
}
