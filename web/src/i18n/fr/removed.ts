/** What a device says that was removed from its account: nobody else needs it, so it does not weigh on the first page. */
export const removed = {
  "removed.heading": "Cet appareil a été retiré de votre compte",
  "removed.what": "Depuis un autre appareil, vous ou quelqu'un qui a votre code de secours l'avez retiré. Vos messages et vos documents viennent d'être effacés d'ici. Rien n'est perdu : tout reste lisible sur vos autres appareils.",
  "removed.again": "Si c'est bien votre appareil, ouvrez-le de nouveau avec votre code de secours.",
  "removed.not_me": "Si ce n'est pas vous qui l'avez retiré, regardez vos accès dans les Réglages d'un autre appareil et appelez votre professionnel.",
  "removed.open": "Ouvrir de nouveau mes messages",
} as const;
