/**
 * Words that may mean an emergency (ux.md 3.5). The check stays on this device: nothing of it is sent or kept.
 * Without accents and in lower case; both languages always count, whatever is spoken on the page.
 */
const URGENT = [
  // fr
  "douleur poitrine", "douleur dans la poitrine", "douleur a la poitrine", "douleur thoracique", "mal a la poitrine",
  "serre la poitrine", "infarctus", "crise cardiaque", "avc", "paralyse", "bouche de travers", "n'arrive plus a parler",
  "n'arrive plus a respirer", "du mal a respirer", "etouffe", "perdu connaissance", "perte de connaissance", "evanoui",
  "convulsion", "hemorragie", "saigne beaucoup", "vomis du sang", "crache du sang", "overdose", "avale des medicaments",
  "suicide", "suicider", "me tuer", "envie de mourir", "en finir", "me faire du mal",
  // en
  "chest pain", "heart attack", "stroke", "can't breathe", "cannot breathe", "passed out", "unconscious", "seizure",
  "bleeding heavily", "kill myself", "want to die", "hurt myself",
] as const;

const plain = (text: string): string =>
  text.normalize("NFD").replace(/\p{M}/gu, "").replaceAll("’", "'").replace(/\s+/g, " ").toLowerCase();

const PATTERN = new RegExp(`(?<![a-z])(?:${URGENT.join("|")})(?![a-z])`);

export function soundsUrgent(text: string): boolean {
  return PATTERN.test(plain(text));
}
