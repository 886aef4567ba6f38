import type { Person } from "../../viewmodel/types";

/** Invented people of the gallery. Nothing of this folder is in the build that is shipped. */
export const person = (fields: Partial<Person> & Pick<Person, "id" | "name" | "role">): Person => ({
  profession: null,
  identifier: null,
  verified: false,
  me: false,
  standing: "member",
  ...fields,
});

export const martin = person({ id: "martin", name: "Dr Claire Martin", role: "owner", profession: "10", identifier: "10101234567", verified: true });
export const haddad = person({ id: "haddad", name: "Karim Haddad", role: "professional", profession: "21", identifier: "10101234568", verified: true });
export const robert = person({ id: "robert", name: "Inès Robert", role: "professional", profession: "60", identifier: "10101234569", verified: true });
export const dupont = person({ id: "dupont", name: "Jean Dupont", role: "patient" });
export const invited = person({ id: "invited", name: "Marie-Antoinette de Villeneuve-Bargemon", role: "patient", standing: "invited" });

export const asMe = (who: Person): Person => ({ ...who, me: true });
