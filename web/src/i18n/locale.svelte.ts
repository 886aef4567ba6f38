import type { fr } from "./fr/index";
import { fill, type Message, type ParamsOf, type Values } from "./message";
import { typesetAll } from "./typography";

export type Language = "fr" | "en";
export type Key = keyof typeof fr;
export type Catalogue = Readonly<Record<Key, Message>>;

export const LANGUAGES = { fr: "Français", en: "English" } as const satisfies Record<Language, string>;

/** One file a language, fetched when it is first spoken. */
const LOADERS: Record<Language, () => Promise<Catalogue>> = {
  fr: async () => typesetAll((await import("./fr/index")).fr),
  en: async () => (await import("./en/index")).en,
};

type Spoken = { readonly language: Language; readonly catalogue: Catalogue; readonly plural: Intl.PluralRules };
let spoken = $state.raw<Spoken | null>(null);

export function isLanguage(tag: string): tag is Language {
  return tag in LANGUAGES;
}

/** The first language that we speak of those that the reader prefers; French otherwise. */
export function preferred(tags: readonly string[]): Language {
  return tags.map((tag) => tag.slice(0, 2).toLowerCase()).find(isLanguage) ?? "fr";
}

export async function speak(language: Language): Promise<void> {
  if (spoken?.language === language) return;
  const catalogue = await LOADERS[language]();
  spoken = { language, catalogue, plural: new Intl.PluralRules(language) };
  document.documentElement.lang = language;
}

export function language(): Language {
  return spoken?.language ?? "fr";
}

/** The sentence of `key` in the language spoken now. */
export function t<K extends Key>(
  key: K,
  ...values: [ParamsOf<(typeof fr)[K]>] extends [never] ? [] : [Readonly<Record<ParamsOf<(typeof fr)[K]>, string | number>>]
): string {
  return lookUp(key, values[0] ?? {}) ?? key;
}

/** For keys made at run time; null when the catalogue has none. */
export function lookUp(key: string, values: Values): string | null {
  const message = (spoken?.catalogue as Record<string, Message> | undefined)?.[key];
  if (spoken === null || message === undefined) return null;
  return fill(message, values, spoken.plural);
}
