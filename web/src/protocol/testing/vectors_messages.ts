import type { Op } from "./vector.ts";

export const messageOps: { readonly [group: string]: { readonly [op: string]: Op } } = {};
