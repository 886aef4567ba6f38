import type { Message } from "./message";

const NARROW = "\u202f"; // narrow no-break space
const FIXED = "\u00a0"; // no-break space

/** French spacing: nothing before ; : ? ! » or after « may break the line, nor a title from its name, nor a number from its unit. */
export function typeset(text: string): string {
  return text
    .replace(/ ([;:?!»])/g, `${NARROW}$1`)
    .replace(/« /g, `«${NARROW}`)
    .replace(/\b(Dr|Pr|Mme|M\.) /g, `$1${FIXED}`)
    .replace(/(\d) (?=(?:\d{3}|s|h|ko|Mo|jours?|mots|caractères|appareils?)\b)/g, `$1${FIXED}`)
    .replace(/'/g, "’");
}

export function typesetAll<K extends string>(catalogue: Record<K, Message>): Record<K, Message> {
  const entries = Object.entries<Message>(catalogue).map(([key, message]) => [
    key,
    typeof message === "string" ? typeset(message) : { one: typeset(message.one), other: typeset(message.other) },
  ]);
  return Object.fromEntries(entries) as Record<K, Message>;
}
