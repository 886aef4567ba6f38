/**
 * Words as people look for them: "lefevre" finds "Lefèvre", "oedeme" finds "œdème", a straight apostrophe finds a curly
 * one, an ordinary space a narrow one. Pure.
 */

const SAME: Readonly<Record<string, string>> = { œ: "oe", æ: "ae", ß: "ss", ø: "o", ł: "l", đ: "d", ς: "σ", "’": "'", "‘": "'", "‑": "-", "‐": "-" };
const OTHERS = new RegExp(`[${Object.keys(SAME).join("")}]`, "gu");

export function fold(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(OTHERS, (letter) => SAME[letter] ?? letter);
}

/** What is looked for: folded words, each once, the longest first. */
export function wordsOf(query: string): readonly string[] {
  const words = new Set(fold(query).split(/\s+/u).filter((word) => word !== ""));
  return [...words].sort((one, other) => other.length - one.length);
}
