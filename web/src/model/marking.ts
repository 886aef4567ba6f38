/** Where folded words stand in a text as it was written. Fetched when somebody looks for words. Pure. */

import { fold } from "./folding.ts";

export type Piece = { readonly text: string; readonly found: boolean };

/** `text` in pieces, those that `words` found marked. The pieces joined are the text again. */
export function marked(text: string, words: readonly string[]): readonly Piece[] {
  const { folded, origin } = traced(text);
  const spans = words
    .flatMap((word) => occurrences(folded, word))
    .map(([from, to]) => [origin[from] ?? 0, endOf(text, origin, to)] as const)
    .sort(([one], [other]) => one - other);
  const pieces: Piece[] = [];
  let done = 0;
  for (const [from, to] of spans) {
    if (to <= done) continue;
    const begin = Math.max(from, done);
    if (begin > done) pieces.push({ text: text.slice(done, begin), found: false });
    pieces.push({ text: text.slice(begin, to), found: true });
    done = to;
  }
  if (done < text.length) pieces.push({ text: text.slice(done), found: false });
  return pieces;
}

const BEFORE = 40; // characters
const EXCERPT = 140;

/** One line around the first word found, begun and ended at a space. */
export function excerpt(text: string, words: readonly string[]): readonly Piece[] {
  const line = text.replace(/\s+/gu, " ").trim();
  const { folded, origin } = traced(line);
  const first = Math.min(...words.map((word) => folded.indexOf(word)).filter((at) => at >= 0));
  const near = Number.isFinite(first) ? (origin[first] ?? 0) : 0;
  const from = near <= BEFORE ? 0 : line.indexOf(" ", near - BEFORE) + 1 || near;
  const begin = Math.min(from, near);
  const rest = line.slice(begin, begin + EXCERPT);
  const cut = begin + rest.length < line.length ? `${rest.replace(/\s\S*$/u, "")}…` : rest;
  return marked(`${begin > 0 ? "…" : ""}${cut}`, words);
}

/** The folded text, and for each of its characters where it stood. */
function traced(text: string): { readonly folded: string; readonly origin: readonly number[] } {
  const origin: number[] = [];
  let folded = "";
  let at = 0;
  for (const letter of text) {
    const plain = fold(letter);
    folded += plain;
    for (let i = 0; i < plain.length; i += 1) origin.push(at);
    at += letter.length;
  }
  return { folded, origin };
}

function occurrences(folded: string, word: string): readonly (readonly [number, number])[] {
  const found: (readonly [number, number])[] = [];
  for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length)) found.push([at, at + word.length]);
  return found;
}

/** Marks that belong to the last letter go with it. */
function endOf(text: string, origin: readonly number[], to: number): number {
  const last = origin[to - 1] ?? 0;
  const next = origin.slice(to).find((place) => place > last);
  return next ?? text.length;
}
