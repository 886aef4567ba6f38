import type { Op } from "./vector.ts";

export const accountOps: { readonly [group: string]: { readonly [op: string]: Op } } = {};
