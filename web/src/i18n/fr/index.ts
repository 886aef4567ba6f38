import type { Message } from "../message";
import { errors } from "./errors";
import { screens } from "./screens";
import { words } from "./words";

/** French, the source: the other languages have exactly these keys (catalogues.test.ts). */
export const fr = { ...screens, ...words, ...errors } as const satisfies Record<string, Message>;
export type Catalogue = Readonly<Record<keyof typeof fr, Message>>;
