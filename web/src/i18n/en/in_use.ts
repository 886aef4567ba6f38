import type { Message } from "../message";
import type { inUse as french } from "../fr/in_use";

export const inUse: Readonly<Record<keyof typeof french, Message>> = {
  "in_use.title": "This device is already used",
  "in_use.who": "The messages of {name} are open here. Another account cannot be opened beside them.",
  "in_use.somebody": "The messages of somebody else are open here. Another account cannot be opened beside them.",
  "in_use.cost": "If you go on, they are erased from this device. That person will need their recovery code to open them again.",
  "in_use.unsent": { one: "1 of their messages has not left this device yet. If you go on, it is lost.", other: "{count} of their messages have not left this device yet. If you go on, they are lost." },
  "in_use.unsent.unknown": "If messages written here have not left yet, they are lost.",
  "in_use.elsewhere": "You can also cancel, and open your account on another device or in another browser.",
  "in_use.go_on": "Erase and go on",
};
