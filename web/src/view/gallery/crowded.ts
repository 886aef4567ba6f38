import type { ConversationState, DocumentCard, Entry, InboxState, Person } from "../../viewmodel/types";
import { message, prescription } from "./entries";
import { dupont, haddad, invited, martin, person, robert } from "./people";
import * as s from "./states";

/** More of everything than a screen likes: long names, long words, many people, every kind of document. */
const scheherazade = person({ id: "long", name: "Pr Anne-Scheherazade Rakotomanantsoa-Wolfeschlegelsteinhausen", role: "professional", profession: "10", identifier: "10101234570", verified: true });
const unproved = person({ id: "unproved", name: "Centre hospitalier universitaire de Saint-Symphorien-de-Lay", role: "professional", profession: "50" });
const WORD = "anticonstitutionnellement".repeat(4);
const LINK = `https://example.org/${"tres-longue-adresse-sans-espace/".repeat(4)}`;

const card = (fields: Partial<DocumentCard> & Pick<DocumentCard, "id">): DocumentCard => ({ ...prescription, openedBy: [], ...fields });
const documents: readonly DocumentCard[] = [
  card({ id: "c1", title: WORD }),
  card({ id: "c2", title: "", name: "Compte-rendu_d_hospitalisation_du_service_de_cardiologie_interventionnelle_version_definitive.docx", mediaType: "application/msword", document: "report", preview: "none" }),
  card({ id: "c3", title: "Conseil de traitement", document: "advice", state: { name: "loading", progress: 0.3 } }),
  card({ id: "c4", title: "Photo de la plaie, troisième jour", name: "p.jpg", mediaType: "image/jpeg", document: "image", preview: "image", state: { name: "failed", problem: s.problem("offline") } }),
  card({ id: "c5", title: "Courrier au confrère", document: "letter", size: 0 }),
  card({ id: "c6", title: "Images du scanner", name: "scanner.zip", mediaType: "application/zip", document: "other", preview: "none", size: 1_900_000_000 }),
];

function story(me: Person): Entry[] {
  return [
    { kind: "notice", id: "k0", at: Date.now() - 9_000_000, phrase: { key: "notice.added.history", params: { by: scheherazade.name, name: unproved.name } } },
    message({ id: "k1", me, author: scheherazade, at: Date.now() - 8_000_000, text: `${WORD}\n${LINK}`, documents: [...documents] }),
    message({ id: "k2", me, author: unproved, at: Date.now() - 7_000_000, text: "Je confirme." }),
    message({ id: "k3", me, author: me, at: Date.now() - 6_000_000, text: `${"Je ne sais pas si je dois continuer. ".repeat(40)}${WORD}`, state: { name: "read", by: [scheherazade, unproved, haddad].map((who) => ({ who, at: Date.now() - 5_000_000 })) } }),
  ];
}

export const crowded = (me: Person): ConversationState =>
  s.conversation(me, {
    subject: `Résultats du bilan ${WORD}`,
    people: [martin, scheherazade, unproved, haddad, robert, dupont].map((who) => (who.id === me.id ? { ...who, me: true } : who)),
    recipient: me.role === "patient" ? scheherazade : { ...invited, standing: "member" },
    entries: story(me),
  });

export function fortyRows(of: InboxState): InboxState {
  const [first] = of.rows;
  if (first === undefined) return of;
  const rows = Array.from({ length: 40 }, (_, at) => ({
    ...first,
    conversation: `r${at}`,
    title: at % 5 === 0 ? (of.role === "patient" ? scheherazade : invited) : first.title,
    subject: at % 4 === 0 ? WORD : first.subject,
    unread: at % 7 === 0 ? 120 : 0,
    at: first.at - at * 40_000_000,
  }));
  return { ...of, rows, counts: { all: 40, unread: 6, waiting: 0, ended: 0 }, hasMore: true };
}
