/** An invitation as the letter shows it. */

import type { Facts } from "../model/facts.ts";
import type { Home } from "../model/home.ts";
import type { KeptInvitation } from "../model/invited.ts";
import { personIn, stranger } from "./presenting.ts";
import type { InvitationToShow } from "./types.ts";

export function shownInvitation(kept: KeptInvitation, facts: Facts, home: Home): InvitationToShow {
  const { name, link, code, expires } = kept;
  const site = `${home.ground.platform.http.origin.replace(/^https?:\/\//, "")}/i`;
  const writer = personIn(facts, home.account, home.account) ?? stranger(home.account);
  return { conversation: facts.conversation, name, subject: facts.subject, writer, link, code, site, expires };
}
