/** One call: what it sends, what it makes of refusals, and when it asks again. */

import { expect, it } from "vitest";

import { MockClock, settle } from "../testing/mock_clock.ts";
import { Api } from "./client.ts";
import { Refused, Unreachable } from "./refusal.ts";

type Call = { readonly path: string; readonly init: RequestInit };
type Reply = () => Response | Promise<Response>;

function server(...replies: readonly Reply[]): { readonly api: Api; readonly calls: Call[]; readonly clock: MockClock } {
  const calls: Call[] = [];
  const clock = new MockClock();
  const fetch = async (path: string, init: RequestInit): Promise<Response> => {
    calls.push({ path, init });
    const reply = replies[calls.length - 1];
    if (reply === undefined) throw new TypeError("no answer");
    return reply();
  };
  return { api: new Api({ origin: "https://pli.test", fetch }, clock, () => 0.5), calls, clock };
}

const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Reply => () =>
  new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": status < 400 ? "application/json" : "application/problem+json", ...headers },
  });
const lost: Reply = () => Promise.reject(new TypeError("lost"));

it("marks every call as ours, so that a cookie counts", async () => {
  const { api, calls } = server(json({ account: "a" }));
  await api.me();
  expect(new Headers(calls[0]?.init.headers).get("X-Pli")).toBe("1");
});

it("turns a problem document into a refusal with its code and its waiting time", async () => {
  const { api } = server(json({ code: "too_many_tries", status: 429 }, 429, { "Retry-After": "90" }));
  const error = await api.challenge("h").catch((refused: unknown) => refused);
  expect(error).toBeInstanceOf(Refused);
  expect(error).toMatchObject({ code: "too_many_tries", retryAfter: 90, passing: true });
});

it("joins the pages of an invitation, also where one ends inside a chain", async () => {
  const page = (epochs: string[], boxes: object[], chains: object[], next: string | null): Reply =>
    json({ id: "i", record: "r", epochs, boxes, chains, next });
  const { api, calls } = server(
    page(["one"], [{ epoch: 1, box: "b1" }], [], "AAAAAQ"),
    page(["two"], [{ epoch: 2, box: "b2" }], [{ account: "a", links: ["a0", "a1"] }], "AAAAAg=="),
    page([], [], [{ account: "a", links: ["a2"] }, { account: "b", links: ["b0"] }], null),
  );
  await expect(api.invitation("i")).resolves.toEqual({
    id: "i",
    record: "r",
    epochs: ["one", "two"],
    boxes: [{ epoch: 1, box: "b1" }, { epoch: 2, box: "b2" }],
    chains: [{ account: "a", links: ["a0", "a1", "a2"] }, { account: "b", links: ["b0"] }],
    next: null,
  });
  expect(calls.map(({ path }) => path.replace(/^.*\/i\b/u, ""))).toEqual(["", "?after=AAAAAQ", "?after=AAAAAg%3D%3D"]);
});

it("asks for every invitation of a conversation, and not for ever", async () => {
  const rows = (names: string[], next: string | null): Reply => json({ invitations: names.map((id) => ({ id })), next });
  const { api } = server(rows(["one"], "n1"), rows(["two"], "n2"), rows([], "n3"));
  const { invitations } = await api.conversation("c");
  expect(invitations.map(({ id }) => id)).toEqual(["one", "two"]);
});

it("takes a proxy's page for no answer at all", async () => {
  const { api } = server(() => new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "Content-Type": "text/html" } }));
  await expect(api.submit("c", submission)).rejects.toBeInstanceOf(Unreachable);
});

it("asks again for what may be repeated, with growing pauses, and gives up in the end", async () => {
  const { api, calls, clock } = server(lost, json({ code: "unavailable" }, 503), json({ links: [], position: 0, head: "h" }));
  const answer = api.chain("a", null);
  await settle();
  expect(calls).toHaveLength(1);
  await clock.pass(400);
  expect(calls).toHaveLength(2);
  await clock.pass(800);
  await expect(answer).resolves.toMatchObject({ head: "h" });

  const dead = server(lost, lost, lost, lost, lost);
  const failed = dead.api.server().catch((error: unknown) => error);
  await settle();
  await dead.clock.pass(10_000);
  expect(await failed).toBeInstanceOf(Unreachable);
  expect(dead.calls).toHaveLength(4);
});

it("leaves the patience for envelopes to the outbox", async () => {
  const { api, calls } = server(lost);
  await expect(api.submit("c", submission)).rejects.toBeInstanceOf(Unreachable);
  expect(calls).toHaveLength(1);
});

it("renews a session once for all calls that find it over", async () => {
  const over = json({ code: "unauthenticated", status: 401 }, 401);
  const { api, calls } = server(over, over, json({ sessions: [] }), json({ sessions: [] }));
  let renewals = 0;
  api.renewSessionBy(async () => {
    renewals += 1;
    await settle();
    return true;
  });
  await Promise.all([api.sessions(), api.sessions()]);
  expect([renewals, calls.length]).toEqual([1, 4]);
});

it("goes on with an upload where the server is, after a cut and after a lost answer", async () => {
  const at = (offset: number, status = 204): Reply => () =>
    new Response(null, { status, headers: { "Upload-Offset": String(offset) } });
  const { api, calls, clock } = server(json({}, 201), at(100, 200), json({ code: "offset_conflict", status: 409 }, 409), at(700, 200), at(1_000));
  const parts: [number, number][] = [];
  const sent: number[] = [];
  const upload = api.uploads.send({
    attachment: "AAAAAAAAAAAAAAAAAAAAAA",
    size: 1_000,
    partLimit: 600,
    read: (offset, length) => {
      parts.push([offset, length]);
      return Promise.resolve(new Uint8Array(length));
    },
    progress: (bytes) => sent.push(bytes),
  });
  await clock.pass(0);
  await upload;
  expect(parts).toEqual([[100, 600], [700, 300]]);
  expect(sent).toEqual([100, 700, 1_000]);
  expect(calls.map(({ init }) => init.method)).toEqual(["POST", "HEAD", "PATCH", "HEAD", "PATCH"]);
});

const submission = { envelope: "", kind: "message", reply: null, attachments: [], read_seq: null } as const;
