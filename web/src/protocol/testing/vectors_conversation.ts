import type { Op } from "./vector.ts";

export const conversationOps: { readonly [group: string]: { readonly [op: string]: Op } } = {};
