/** What a device asks before another account takes it over: rare, so it does not weigh on the first page. */
export const inUse = {
  "in_use.title": "Cet appareil est déjà utilisé",
  "in_use.who": "Les messages de {name} sont ouverts ici. Un autre compte ne peut pas s'ouvrir à côté.",
  "in_use.somebody": "Les messages d'une autre personne sont ouverts ici. Un autre compte ne peut pas s'ouvrir à côté.",
  "in_use.cost": "Si vous continuez, ils seront effacés de cet appareil. Pour les rouvrir, il faudra le code de secours de cette personne.",
  "in_use.unsent": { one: "1 de ses messages n'est pas encore parti de cet appareil. Si vous continuez, il sera perdu.", other: "{count} de ses messages ne sont pas encore partis de cet appareil. Si vous continuez, ils seront perdus." },
  "in_use.unsent.unknown": "Si des messages écrits ici ne sont pas encore partis, ils seront perdus.",
  "in_use.elsewhere": "Vous pouvez aussi annuler, et ouvrir votre compte sur un autre appareil ou dans un autre navigateur.",
  "in_use.go_on": "Effacer et continuer",
} as const;
