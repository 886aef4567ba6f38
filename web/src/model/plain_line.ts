/** Names, subjects and titles that somebody else chose, as they may stand among our own words. Pure. */

/** Embeddings, overrides and isolates. The marks that Arabic and Hebrew need are not among them. */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/gu;

/** Without what turns letters around: "ordonnance\u202efdp.exe" would read "ordonnanceexe.pdf". */
export function plainLine(text: string): string {
  return text.replace(TURNS, "");
}
