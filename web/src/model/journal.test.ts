import { expect, test } from "vitest";
import type { Api } from "../api/client.ts";
import type { JournalEntry, JournalPage } from "../api/types.ts";
import { b64 } from "../protocol/codec.ts";
import { EMPTY, follow } from "../protocol/journal.ts";
import { Journal } from "./journal.ts";
import type { Vault } from "./vault.ts";

const ME = b64(new Uint8Array(32).fill(1));
const WHO = b64(new Uint8Array(32).fill(2));

async function written(count: number, at = 5): Promise<readonly JournalEntry[]> {
  const entries: JournalEntry[] = [];
  let head = EMPTY;
  for (let position = 1; position <= count; position += 1) {
    const entry = { position, kind: "opened", at: at + position, who: WHO, conversation: WHO, attachment: null, previous: head.hash } as const;
    head = await follow(ME, head, [entry]);
    entries.push(entry);
  }
  return entries;
}

/** A server that shows these entries, and a device that remembers. */
function reader(shown: { entries: readonly JournalEntry[] }): () => Journal {
  const kept = new Map<string, unknown>();
  const vault = {
    read: (_: string, key: string) => Promise.resolve(kept.get(key)),
    keep: (_: string, key: string, value: unknown) => Promise.resolve(void kept.set(key, value)),
  };
  const api = {
    journal: async (from: { after?: number; before?: number }, limit: number): Promise<JournalPage> => {
      const { entries } = shown;
      const head = await follow(ME, startOf(entries.slice(-1)), entries.slice(-1)); // whatever came before: it may lie
      const side = entries.filter(({ position }) => position > (from.after ?? 0) && position < (from.before ?? Infinity));
      const page = from.before === undefined ? side.slice(0, limit) : side.slice(-limit);
      return { entries: page, first: entries[0]?.position ?? 1, last: head.position, head: head.hash };
    },
  };
  return () => new Journal({ api: api as unknown as Api, vault: vault as unknown as Vault, me: ME });
}

function startOf(entries: readonly JournalEntry[]): typeof EMPTY {
  const [oldest] = entries;
  return oldest === undefined ? EMPTY : { position: oldest.position - 1, hash: oldest.previous };
}

test("pages back to the beginning, every page leading to the next", async () => {
  const shown = { entries: await written(450) };
  const journal = reader(shown)();
  let seen = await journal.newest(50);
  expect(seen.at(-1)?.position).toBe(450);
  while (journal.more) seen = [...(await journal.older(150)), ...seen];
  expect(seen).toEqual(shown.entries);
});

test("is empty for who is nobody's patient, and holds when retention has removed the oldest", async () => {
  const shown: { entries: readonly JournalEntry[] } = { entries: [] };
  const open = reader(shown);
  expect(await open().newest(50)).toEqual([]);
  shown.entries = (await written(30)).slice(20);
  const journal = open();
  expect(await journal.newest(50)).toEqual(shown.entries);
  expect(journal.more).toBe(false);
});

test.each([
  ["a later time in the middle", async () => [...(await written(9)).slice(0, 4), ...(await written(9, 6)).slice(4)], "fork"],
  ["another past", async () => written(9, 6), "fork"],
  ["its end cut off", async () => (await written(9)).slice(0, 7), "rollback"],
  ["one left out", async () => (await written(12)).filter(({ position }) => position !== 10), "not_next"],
])("alarms when the server shows %s", async (_, lie, code) => {
  const shown: { entries: readonly JournalEntry[] } = { entries: await written(9) };
  const open = reader(shown);
  await open().newest(50);
  const entries = await lie();
  shown.entries = entries;
  await expect(open().newest(50)).rejects.toMatchObject({ code });
});

test("alarms at first sight when the entries do not follow one another", async () => {
  const spliced = [...(await written(9)).slice(0, 4), ...(await written(9, 6)).slice(4)];
  await expect(reader({ entries: spliced })().newest(50)).rejects.toMatchObject({ code: "fork" });
});
