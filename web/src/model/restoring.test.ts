/** What lies on this device opens, whatever becomes of the server. */

import { afterEach, beforeEach, expect, it } from "vitest";

import type { Http } from "../platform/platform.ts";
import { settle, until } from "../testing/mock_clock.ts";
import { MockBrowser, MockTab, realClock } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, conversationOf, newcomer, openTab, textsOf, untilTexts, type Tab } from "../testing/people.ts";
import { Client } from "./client.ts";

let server: MockServer;
let browser: MockBrowser;
let conversation: string;
let again: Client;

beforeEach(async () => {
  server = new MockServer();
  const claire = await newcomer(server, "professional");
  const jean = await newcomer(server, "patient");
  const hers = await openTab(server, new MockBrowser(), claire.code);
  browser = new MockBrowser();
  const his = await openTab(server, browser, jean.code);
  conversation = await conversationOf(hers.home, jean.account);
  await untilTexts(his.home, conversation, ["Bonjour."]);
  for (const one of [his, hers] satisfies Tab[]) close(one);
}, 60_000);

afterEach(() => {
  again.home?.stop();
  again.changes.close();
});

/** The browser is opened again, before a network that answers as `fetch` says. */
function opened(fetch: Http["fetch"]): Client {
  const outside = server.browser();
  const tab = new MockTab(browser, { ...outside, http: { ...outside.http, fetch }, clock: realClock });
  again = new Client(tab);
  return again;
}

const never = (): Promise<Response> => new Promise(() => undefined);

it("opens and reads while the server takes the calls and answers none", async () => {
  const client = opened(never);
  await client.start();
  expect(client.home).not.toBeNull();
  expect(await textsOf(client.home!, conversation)).toEqual(["Bonjour."]);
});

it("waits for a server that is too busy to renew the session, and says nothing of an end", async () => {
  const { http } = server.browser();
  let busy = true;
  let refused = 0;
  const said: string[] = [];
  const client = opened(async (path, init) => {
    if (path.startsWith("/v1/sessions") && busy) {
      refused += 1;
      return problem(503, "unavailable");
    }
    if (busy && path !== "/v1/challenges") return problem(401, "unauthenticated");
    return http.fetch(path, init);
  });
  client.watch(() => said.push(client.connection));
  await client.start();
  await until(() => refused >= 2, 30_000, "asked again");
  await settle();
  expect(client.home).not.toBeNull();
  busy = false;
  await until(() => client.connection === "live", 30_000, "back");
  expect(said).not.toContain("ended");
});

function problem(status: number, code: string): Response {
  const body = JSON.stringify({ type: "about:blank", title: code, status, code });
  return new Response(body, { status, headers: { "Content-Type": "application/problem+json" } });
}
