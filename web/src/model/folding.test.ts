import fc from "fast-check";
import { expect, it } from "vitest";
import { fold, wordsOf } from "./folding.ts";
import { excerpt, marked } from "./marking.ts";

it("folds accents, case, ligatures, apostrophes and narrow spaces, however they are written", () => {
  expect(fold("ŒDÈME de l’ŒIL, Ærophagie, Straße, « ﬁn »\u202f!")).toBe("oedeme de l'oeil, aerophagie, strasse, « fin » !");
  expect(fold("e\u0301te\u0301")).toBe(fold("été"));
  expect(wordsOf("  Œdème  l’œil oedeme ")).toEqual(["oedeme", "l'oeil"]);
});

const found = (text: string, query: string): readonly string[] => marked(text, wordsOf(query)).flatMap((piece) => (piece.found ? [piece.text] : []));

it("marks what was written, not what was folded", () => {
  expect(found("Un œdème, DES ŒDÈMES", "oedeme")).toEqual(["œdème", "ŒDÈME"]);
  expect(found("e\u0301te\u0301 indien", "ete")).toEqual(["e\u0301te\u0301"]);
  expect(found("cœur", "coe")).toEqual(["cœ"]);
  expect(found("aspirine paracétamol", "mol aspi")).toEqual(["aspi", "mol"]);
  expect(found("ananas", "ana nas")).toEqual(["ana", "nas"]);
  expect(found("rien", "xyz")).toEqual([]);
});

it("gives one line around the first word", () => {
  const text = `${"Bonjour Madame. ".repeat(20)}\n\nLe pamplemousse est à éviter. ${"Bonne journée. ".repeat(20)}`;
  const line = excerpt(text, wordsOf("PAMPLEMOUSSE"));
  const whole = line.map((piece) => piece.text).join("");
  expect(whole).toMatch(/^….*pamplemousse.*…$/u);
  expect(whole.length).toBeLessThan(160);
  expect(line.filter((piece) => piece.found).map((piece) => piece.text)).toEqual(["pamplemousse"]);
});

const letters = fc.string({ unit: "grapheme" });

it("pieces joined are the text, whatever is looked for, and a folded text finds itself", () => {
  fc.assert(
    fc.property(letters, letters, letters, (before, word, after) => {
      const text = before + word + after;
      const words = wordsOf(word);
      const pieces = marked(text, words);
      expect(pieces.map((piece) => piece.text).join("")).toBe(text);
      for (const each of wordsOf(text)) expect(found(text, each).length).toBeGreaterThan(0);
      expect(excerpt(text, words).every((piece) => piece.text !== "")).toBe(true);
    }),
  );
});
