import type { DocumentCard, Entry, MessageState, Person } from "../../viewmodel/types";
import { dupont, haddad, martin } from "./people";

type Message = Extract<Entry, { kind: "message" }>;

const DAY = new Date().setHours(17, 54, 0, 0) - 7 * 86_400_000;

export const prescription: DocumentCard = {
  id: "rx",
  message: "m1",
  title: "Traitement de la tension",
  name: "ordonnance_2026-03-14.pdf",
  mediaType: "application/pdf",
  size: 182_000,
  document: "prescription",
  preview: "pdf",
  openedBy: [{ who: dupont, at: DAY + 5 * 60_000 }],
  state: { name: "closed" },
};

const photo: DocumentCard = {
  ...prescription,
  id: "photo",
  message: "m4",
  title: "Photo de la boîte",
  name: "IMG_0231.jpg",
  mediaType: "image/png",
  size: 1_240_000,
  document: "image",
  preview: "image",
  openedBy: [],
};

const scan: DocumentCard = { ...photo, id: "scan", title: "Bilan complet", name: "bilan.dcm", mediaType: "application/dicom", document: "report", preview: "none", size: 48_200_000 };

export function message(fields: Partial<Message> & { id: string; author: Person; me: Person }): Entry {
  const { me, ...rest } = fields;
  return {
    kind: "message",
    seq: 1,
    mine: fields.author.id === me.id,
    at: DAY,
    text: "",
    documents: [],
    state: { name: "delivered" },
    replaces: null,
    replacedBy: null,
    warning: null,
    canRetract: false,
    canTakeBack: false,
    ...rest,
  };
}

const read = (who: Person, minutes: number): MessageState => ({ name: "read", by: [{ who, at: DAY + minutes * 60_000 }] });

export function shortStory(me: Person): Entry[] {
  return [
    { kind: "notice", id: "n0", at: DAY - 1000, phrase: { key: "notice.joined", params: { name: dupont.name } } },
    message({
      id: "m1", me, author: martin, at: DAY,
      text: "Bonjour Monsieur Dupont,\n\nVos chiffres de tension sont bons. Je renouvelle le traitement à l’identique pour 3 mois.",
      documents: [prescription], state: read(dupont, 4),
    }),
    message({
      id: "m2", me, author: dupont, at: DAY + 8 * 60_000,
      text: "Merci docteur. Puis-je prendre le nouveau comprimé avec mon jus de pamplemousse ?", state: read(martin, 46),
    }),
  ];
}

export function longStory(me: Person): Entry[] {
  const later = DAY + 86_400_000;
  return [
    ...shortStory(me),
    { kind: "notice", id: "n1", at: later, phrase: { key: "notice.added.history", params: { by: martin.name, name: haddad.name } } },
    { kind: "unread", id: "unread" },
    message({ id: "m3", me, author: haddad, at: later + 60_000, text: "Pas de pamplemousse avec ce médicament : il en augmente l’effet. Une orange, oui.", state: read(dupont, 1500) }),
    message({ id: "m4", me, author: dupont, at: later + 120_000, text: "Bien noté. Voici la boîte et mon bilan.", documents: [photo, scan], state: { name: "sending", progress: 0.4 } }),
    { kind: "unreadable", id: "u1", at: later + 180_000, problem: { code: "unknown_epoch", alarm: false, retry: false, retryAfter: null } },
    message({ id: "m5", me, author: dupont, at: later + 240_000, text: "Et demain ?", state: { name: "refused", problem: { code: "stale_epoch", alarm: false, retry: true, retryAfter: null } }, canTakeBack: true }),
    message({ id: "m6", me, author: martin, at: later + 300_000, text: "Je vous appelle demain matin.", replacedBy: "m7", state: read(dupont, 1600) }),
    message({ id: "m7", me, author: martin, at: later + 360_000, text: "Je vous appelle jeudi matin.", replaces: "m6", state: { name: "delivered" }, canRetract: true }),
  ];
}

/** Every state of a message of one's own, side by side. */
export function stateStory(me: Person, other: Person): Entry[] {
  const at = (minutes: number): Pick<Message, "at"> => ({ at: DAY + minutes * 60_000 });
  const by = (minutes: number) => [{ who: other, at: DAY + minutes * 60_000 }];
  const states: readonly (readonly [string, MessageState])[] = [
    ["En attente", { name: "waiting" }],
    ["En cours", { name: "sending", progress: 0.4 }],
    ["Chez le serveur", { name: "accepted" }],
    ["Parti par courriel", { name: "handed" }],
    ["Sur l’appareil", { name: "delivered" }],
    ["Lu", { name: "read", by: by(32) }],
    ["Répondu", { name: "answered", by: by(46) }],
    ["Revenu", { name: "failed", reason: "box_full" }],
    ["Refusé", { name: "refused", problem: { code: "patient_left", alarm: false, retry: true, retryAfter: null } }],
  ];
  return states.map(([text, state], i) => message({ id: `state-${state.name}`, me, author: me, text, state, ...at(i) }));
}

export function manyMessages(me: Person, count: number): Entry[] {
  const text = "Votre tension est stable, continuez le traitement et notez vos mesures le matin. ";
  return Array.from({ length: count }, (_, at) =>
    message({ id: `x${at}`, me, author: at % 3 === 0 ? dupont : martin, at: DAY - (count - at) * 3_600_000, text: `${at + 1}. ${text.repeat((at * 7) % 4)}` }),
  );
}
