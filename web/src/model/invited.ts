/** An invitation on its way out: its secret, its code, what the server gets of it, what the page shows of it. */

import type { InvitationOffer } from "../api/types.ts";
import type { Platform } from "../platform/platform.ts";
import { b64, unb64 } from "../protocol/codec.ts";
import {
  inviteFromSecret,
  invitationLink,
  newInvitation,
  newInvitationCode,
  sealCodeBox,
  type Invite,
} from "../protocol/invitation.ts";
import type { AccountId, B64, Time } from "../protocol/suite.ts";

/** How long an invitation is good for, milliseconds. */
export const INVITATION_LIFE = 30 * 24 * 3_600_000;

export type Invited = {
  readonly invite: Invite;
  readonly name: string;
  /** `XXXX-XXXX-XXXX-X` */
  readonly code: string;
  readonly link: string;
  readonly expires: Time;
  readonly offer: InvitationOffer;
};

/** What of an invitation is kept on the device that made it, so that it can be shown again. */
export type KeptInvitation = Pick<Invited, "name" | "code" | "link" | "expires"> & { readonly secret: B64 };

/** Draw an invitation; its code takes a moment to stretch (`progress` 0 to 1). */
export async function drawInvitation(
  platform: Platform,
  about: { readonly name: string; readonly inviter: AccountId; readonly codeSalt: B64; readonly now: Time },
  progress: (share: number) => void,
): Promise<Invited> {
  const random = (length: number): Uint8Array<ArrayBuffer> => platform.random(length);
  const invite = await newInvitation(random);
  const code = await newInvitationCode(random);
  const stretched = await platform.stretch(code, unb64(about.codeSalt), progress);
  const box = await sealCodeBox(stretched, invite, about.inviter);
  const expires = about.now + INVITATION_LIFE;
  return {
    invite,
    name: about.name,
    code,
    link: invitationLink(platform.http.origin, { secret: invite.secret, inviter: about.inviter }),
    expires,
    offer: {
      id: invite.id,
      sign: b64(invite.sign),
      enc: b64(invite.enc),
      member: invite.member,
      expires,
      locator: stretched.locator,
      code_box: b64(box),
    },
  };
}

export function keptOf({ invite, name, code, link, expires }: Invited): KeptInvitation {
  return { name, code, link, expires, secret: b64(invite.secret) };
}

export function inviteOf(kept: KeptInvitation): Promise<Invite> {
  return inviteFromSecret(unb64(kept.secret));
}

export function invitationKey(member: B64): string {
  return `invitation:${member}`;
}
