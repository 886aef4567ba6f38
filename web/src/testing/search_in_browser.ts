/** What a real browser is asked by `tests/journeys/test_search.py`: how long it takes to look through many messages. */

import { Changes } from "../model/changes.ts";
import type { Facts } from "../model/facts.ts";
import { wordsOf } from "../model/folding.ts";
import type { Log } from "../model/log.ts";
import type { LogEntry } from "../model/log_entry.ts";
import { Search } from "../model/search.ts";
import { Vault } from "../model/vault.ts";
import { openStorage } from "../platform/storage.ts";
import { browserTabs } from "../platform/tabs.ts";

const TEXT = "Votre tension est stable, continuez le traitement à l’identique et notez vos mesures le matin, à jeun. ";
const random = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length));

function entry(seq: number): LogEntry {
  const text = `${TEXT.repeat(1 + (seq % 3))}${seq % 1_000 === 0 ? "Un œdème." : ""}`;
  const content = { author: "a", at: seq, parents: [], said: { type: "text", payload: { text, attachments: [], reply: null, replaces: null } } };
  return { type: "envelope", id: `m${seq}`, seq, at: seq, kind: "message", author: "a", epoch: 1, message: { content, warnings: [] }, code: null, retracted: false } as unknown as LogEntry;
}

type Measured = { readonly hits: number; readonly looked: number; readonly first: number; readonly again: number; readonly blocked: number };

/** Seal `count` messages into IndexedDB, then look for one word twice. Milliseconds; `blocked`: the longest that the page stood still. */
async function measure(count: number): Promise<Measured> {
  const storage = await openStorage("search");
  const vault = new Vault(storage, await Vault.newKey(), random);
  for (let seq = 1; seq <= count; seq += 1_000) {
    const some = Array.from({ length: Math.min(1_000, count - seq + 1) }, (_, at) => entry(seq + at));
    await vault.write(await Promise.all(some.map((one) => vault.put("events", ["c", one.seq], one))));
  }
  const log = { between: (id: string, from: number, to: number) => vault.range<LogEntry>("events", [id, from], [id, to]) } as unknown as Log;
  const search = new Search(log, new Changes(browserTabs()));
  const facts = { conversation: "c", last: count, from: 1, complete: true } as unknown as Facts;
  const { signal } = new AbortController();
  let blocked = 0;
  let ticked = performance.now();
  const timer = setInterval(() => {
    blocked = Math.max(blocked, performance.now() - ticked);
    ticked = performance.now();
  }, 1);
  const begun = performance.now();
  const { lines, looked } = await search.within(facts, wordsOf("OEDEME"), signal);
  const first = performance.now() - begun;
  clearInterval(timer);
  const once = performance.now();
  await search.within(facts, wordsOf("identique"), signal);
  const again = performance.now() - once;
  search.dispose();
  await storage.wipe();
  return { hits: lines.length, looked, first, again, blocked };
}

// The page is driven from outside: its functions have to be found there.
Object.assign(globalThis, { measure });
