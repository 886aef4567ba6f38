/// <reference lib="webworker" />
export {};
declare const self: ServiceWorkerGlobalScope;

/** Both are written by the build (tools/app-shell.ts); a new release is a new cache. */
const CACHE = "pli-__SHELL_RELEASE__";
const FILES = JSON.parse("__SHELL_FILES__") as string[];

async function forget(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

/** A page comes from the network while there is one, so that a new release is seen at once. */
async function page(request: Request): Promise<Response> {
  return fetch(request).catch(async () => (await caches.match("/")) ?? Response.error());
}

/** A hashed file never changes: what is kept is right. */
async function asset(request: Request): Promise<Response> {
  const kept = await caches.match(request);
  if (kept) return kept;
  const fresh = await fetch(request);
  if (fresh.ok) await (await caches.open(CACHE)).put(request, fresh.clone());
  return fresh;
}

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(["/", ...FILES])));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(forget());
});
/** A notification says only that there is something to read: it opens the application, where it already is if it can. */
async function enter(): Promise<void> {
  const [open] = await self.clients.matchAll({ type: "window" });
  if (open === undefined) await self.clients.openWindow("/");
  else await open.focus();
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(enter());
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = new URL(request.url).pathname;
  // Everything of the interface (/v1) goes straight to the network: nothing of a person is kept here.
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (request.method === "GET" && path.startsWith("/assets/")) event.respondWith(asset(request));
});
