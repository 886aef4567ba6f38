/** Addresses of the screens. Secrets travel in fragments and are taken out of the address at once. */

import type { Route } from "./types.ts";

type Address = { readonly path: string; readonly fragment: string };

type Reader = (second: string, fragment: string) => Route;

const READERS: Readonly<Record<string, Reader>> = {
  u: () => ({ name: "unlock" }),
  a: (_, token) => ({ name: "activation", token }),
  i: (_, link) => ({ name: "invitation", link: link === "" ? null : link }),
  c: (conversation) => (conversation === "" ? { name: "inbox" } : { name: "conversation", conversation }),
  new: (patient) => ({ name: "new", patient: patient === "" ? null : patient }),
  write: (to) => ({ name: "write", to: to === "" ? null : to }),
  settings: () => ({ name: "settings" }),
  removed: () => ({ name: "removed" }),
};
const WITH_SECRET = ["u", "a", "i"];

/** Where an address leads, and whether it held a secret. */
export function routeOf({ path, fragment }: Address): { readonly route: Route; readonly secret: boolean } {
  const [, head = "", second = ""] = path.split("/");
  const first = head.toLowerCase(); // typed by hand from a letter
  const read = Object.hasOwn(READERS, first) ? READERS[first] : undefined;
  return {
    route: read?.(second, fragment) ?? { name: "inbox" },
    secret: fragment !== "" && WITH_SECRET.includes(first),
  };
}

const PATHS = { unlock: "/u", activation: "/a", invitation: "/i", inbox: "/", settings: "/settings", removed: "/removed" } as const;

/** The path of a route, without any secret. */
export function pathOf(route: Route): string {
  if (route.name === "conversation") return `/c/${route.conversation}`;
  if (route.name === "new") return route.patient === null ? "/new" : `/new/${route.patient}`;
  if (route.name === "write") return route.to === null ? "/write" : `/write/${route.to}`;
  return PATHS[route.name];
}

/** Routes that need no account. */
export function isOpen(route: Route): boolean {
  return route.name === "unlock" || route.name === "removed" || route.name === "activation" || route.name === "invitation";
}
