/** Removed and let in again: who was away reads on, with the real client, cryptography and server. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Client } from "../model/client.ts";
import type { Home } from "../model/home.ts";
import { App } from "../viewmodel/app.ts";
import { until } from "./mock_clock.ts";
import { MockBrowser, realClock } from "./mock_platform.ts";
import { say, textsOf, untilTexts } from "./people.ts";
import { RealServer, serverIsHere } from "./real_server.ts";

describe.skipIf(!serverIsHere)("with the real server (.venv/bin/pli)", () => {
  let server: RealServer;
  let claire: Home;
  let karim: Home;
  const apps: App[] = [];

  beforeAll(async () => {
    server = await RealServer.start();
    claire = await professional("Dr Claire Martin", "10", "10101234564");
    karim = await professional("Karim Haddad", "21", "10101234572");
  }, 120_000);

  afterAll(async () => {
    for (const app of apps) await app.logOff().catch(() => undefined);
    await server.stop();
  });

  async function professional(name: string, profession: string, rpps: string): Promise<Home> {
    const tab = new MockBrowser().tab({ ...server.browser(), clock: realClock });
    tab.visit("/a", await server.activation(name, profession, rpps));
    const client = new Client(tab);
    const app = new App(client);
    apps.push(app);
    await app.start();
    const { route } = app.state.value;
    if (route.name !== "activation") throw new Error(`at ${route.name}`);
    const model = app.activation(route.token);
    await until(() => model.state.value.step === "hello", 40_000, "hello");
    await model.accept();
    model.keptCode();
    await until(() => model.state.value.step === "done");
    model.open();
    return client.home!;
  }

  it.each(["none", "full"] as const)("reads on after coming back with history %s", { timeout: 240_000 }, async (history) => {
    const beginning = await claire.beginnings.prepare({
      role: "owner",
      name: "Dr Martin",
      with: { account: karim.account, role: "owner", name: "Karim" },
      subject: "Avis",
      first: { text: "Un.", attachments: [], reply: "open", replaces: null },
      reply: "open",
    });
    await claire.beginnings.send(beginning);
    const id = beginning.conversation;
    await say(claire, id, "Deux.");
    await untilTexts(karim, id, ["Un.", "Deux."]);

    await claire.writing.remove(id, karim.account);
    // A second epoch without him: she believes that the first has lasted for 5,000 messages.
    await claire.log.amend(id, (facts) => ({ ...facts, records: facts.records.map((record) => ({ ...record, seq: record.seq - 5_000 })) }));
    await say(claire, id, "Trois.");
    await untilTexts(claire, id, ["Un.", "Deux.", "Trois."]);
    await claire.writing.add(id, karim.account, history);
    await say(claire, id, "Quatre.");
    await until(async () => (await textsOf(karim, id)).at(-1) === "Quatre.", 30_000, "the message after coming back");
    expect(await textsOf(karim, id)).toEqual(["Un.", "Deux.", ...(history === "full" ? ["Trois."] : []), "Quatre."]);
    expect((await karim.log.facts(id))?.records).toHaveLength(4);
    expect((await karim.log.facts(id))?.alarm).toBeNull();
    await say(karim, id, "Cinq.");
    await until(async () => (await textsOf(claire, id)).at(-1) === "Cinq.", 30_000, "his answer");
  });
});
