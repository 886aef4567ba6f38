import type { appointments } from "./fr/appointments";
import type { Catalogue, fr } from "./fr/index";
import type { inUse } from "./fr/in_use";
import type { removed } from "./fr/removed";
import type { search } from "./fr/search";
import type { settings } from "./fr/settings";
import { fill, type Message, type ParamsOf, type Values } from "./message";
import { typesetAll } from "./typography";

export type Language = "fr" | "en";
/** Everything that can be said: the catalogue, and the parts that are learned when they are first needed. */
type Words = typeof fr & typeof appointments & typeof removed & typeof search & typeof settings & typeof inUse;
export type Key = keyof Words;

export const LANGUAGES = { fr: "Français", en: "English" } as const satisfies Record<Language, string>;

/** One file a language, fetched when it is first spoken. */
const LOADERS: Record<Language, () => Promise<Catalogue>> = {
  fr: async () => typesetAll((await import("./fr/index")).fr),
  en: async () => (await import("./en/index")).en,
};

export type Part = "appointments" | "removed" | "search" | "settings" | "in_use";
type Messages = Readonly<Record<string, Message>>;

/** What only some conversations need does not weigh on the first page. */
const PARTS: Record<Part, Record<Language, () => Promise<Messages>>> = {
  appointments: {
    fr: async () => typesetAll((await import("./fr/appointments")).appointments),
    en: async () => (await import("./en/appointments")).appointments,
  },
  removed: {
    fr: async () => typesetAll((await import("./fr/removed")).removed),
    en: async () => (await import("./en/removed")).removed,
  },
  settings: {
    fr: async () => typesetAll((await import("./fr/settings")).settings),
    en: async () => (await import("./en/settings")).settings,
  },
  in_use: {
    fr: async () => typesetAll((await import("./fr/in_use")).inUse),
    en: async () => (await import("./en/in_use")).inUse,
  },
  search: {
    fr: async () => typesetAll((await import("./fr/search")).search),
    en: async () => (await import("./en/search")).search,
  },
};
// Read when a language is spoken, never drawn from.
// eslint-disable-next-line svelte/prefer-svelte-reactivity
const learned = new Set<Part>();

type Spoken = { readonly language: Language; readonly catalogue: Messages; readonly plural: Intl.PluralRules };
let spoken = $state.raw<Spoken | null>(null);

export function isLanguage(tag: string): tag is Language {
  return tag in LANGUAGES;
}

/** The first language that we speak of those that the reader prefers; French otherwise. */
export function preferred(tags: readonly string[]): Language {
  return tags.map((tag) => tag.slice(0, 2).toLowerCase()).find(isLanguage) ?? "fr";
}

/** The last language that was asked for: one that comes later than the next one's is too late. */
let asked: Language | null = null;

export async function speak(language: Language): Promise<void> {
  asked = language;
  if (spoken?.language === language) return;
  const catalogue: Record<string, Message> = { ...(await LOADERS[language]()) };
  // A part may be learned while another one is fetched.
  for (const part of learned) Object.assign(catalogue, await PARTS[part][language]());
  if (asked !== language) return;
  spoken = { language, catalogue, plural: new Intl.PluralRules(language) };
  document.documentElement.lang = language;
}

/** Speak of this too, from now on. Rejects when it cannot be fetched; it may be asked again. */
export async function learn(part: Part): Promise<void> {
  if (learned.has(part)) return;
  learned.add(part);
  try {
    const now = language();
    const words = await PARTS[part][now]();
    // Another language, spoken meanwhile, has brought its own.
    if (spoken?.language === now) spoken = { ...spoken, catalogue: { ...spoken.catalogue, ...words } };
  } catch (error) {
    learned.delete(part);
    throw error;
  }
}

export function language(): Language {
  return spoken?.language ?? "fr";
}

/** The sentence of `key` in the language spoken now. */
export function t<K extends Key>(
  key: K,
  ...values: [ParamsOf<Words[K]>] extends [never] ? [] : [Readonly<Record<ParamsOf<Words[K]>, string | number>>]
): string {
  return lookUp(key, values[0] ?? {}) ?? key;
}

/** For keys made at run time; null when the catalogue has none. */
export function lookUp(key: string, values: Values): string | null {
  const message = spoken?.catalogue[key];
  if (spoken === null || message === undefined) return null;
  return fill(message, values, spoken.plural);
}
