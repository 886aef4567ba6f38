/** What is said when somebody looks for words: fetched then. */
export const search = {
  "search.label": "Mots à chercher dans l'échange",
  "search.older": "Résultat plus ancien",
  "search.newer": "Résultat plus récent",
  "search.close": "Fermer la recherche",
  "search.none": "Aucun message ne contient ces mots.",
  "search.short": "Écrivez au moins 2 lettres.",
  "search.busy": "Recherche…",
  "search.at": { one: "{at} sur {count} message", other: "{at} sur {count} messages" },
  "search.announce": "Message {at} sur {count}, de {name}, {date}",
  "search.count": { one: "{count} message trouvé", other: "{count} messages trouvés" },
  "search.first": { one: "Le plus récent est montré.", other: "Les {count} plus récents sont montrés." },
  "search.scope": { one: "Cherché dans le message présent sur cet appareil.", other: "Cherché dans les {count} messages présents sur cet appareil." },
  "search.partial": "Des messages plus anciens ne sont pas encore sur cet appareil : pour y chercher, ouvrez l'échange.",
  "search.further": "Chercher aussi dans les plus anciens",
  "search.messages": "Dans les messages",
} as const;
