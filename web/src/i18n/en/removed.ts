import type { Message } from "../message";
import type { removed as fr } from "../fr/removed";

export const removed: Readonly<Record<keyof typeof fr, Message>> = {
  "removed.heading": "This device was removed from your account",
  "removed.what": "You, or somebody who has your recovery code, removed it from another device. Your messages and documents have just been erased from here. Nothing is lost: everything can still be read on your other devices.",
  "removed.again": "If it is your device, open it again with your recovery code.",
  "removed.not_me": "If it was not you who removed it, look at the ways in, in the Settings of another device, and call your professional.",
  "removed.open": "Open my messages again",
};
