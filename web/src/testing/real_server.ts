/** The real server of this repository, on a free port, for tests that mix it with the real client. */

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

import { socketIo } from "../platform/live.ts";
import type { Http, Live } from "../platform/platform.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../../..");
const PLI = join(ROOT, ".venv/bin/pli");

export const serverIsHere = existsSync(PLI);

export class RealServer {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #data: string;

  private constructor(url: string, process: ChildProcess, data: string) {
    this.url = url;
    this.#process = process;
    this.#data = data;
  }

  static async start(): Promise<RealServer> {
    const data = join(mkdtempSync(join(tmpdir(), "pli-web-")), "data");
    await run(PLI, ["init", "--data", data], { cwd: ROOT });
    const port = await freePort();
    const server = spawn(PLI, ["serve", "--data", data, "--port", String(port)], { cwd: ROOT, stdio: "ignore" });
    const url = `http://127.0.0.1:${port}`;
    for (let i = 0; i < 1_200; i += 1) {
      if (await fetch(`${url}/readyz`).then((answer) => answer.ok, () => false)) return new RealServer(url, server, data);
      await new Promise((wake) => setTimeout(wake, 50));
    }
    server.kill();
    throw new Error("the server did not become ready");
  }

  /** A professional's activation token, as the operator makes it. */
  async activation(name: string, profession: string, rpps: string): Promise<string> {
    const what = ["admin", "professional", "add", "--data", this.#data, "--name", name];
    const { stdout } = await run(PLI, [...what, "--profession", profession, "--rpps", rpps, "--json"], { cwd: ROOT });
    const { activation_link } = JSON.parse(stdout) as { readonly activation_link: string };
    return activation_link.slice(activation_link.indexOf("#") + 1);
  }

  /** The network as one browser sees it: its own cookies. */
  browser(): { readonly http: Http; readonly live: Live } {
    let cookie = "";
    const http: Http = {
      origin: this.url,
      fetch: async (path, init) => {
        const headers = new Headers(init.headers);
        if (cookie !== "") headers.set("Cookie", cookie);
        const answer = await fetch(this.url + path, { ...init, headers });
        const [set] = answer.headers.getSetCookie();
        if (set !== undefined) cookie = set.split(";")[0] ?? "";
        return answer;
      },
    };
    return { http, live: socketIo(this.url) };
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
    rmSync(join(this.#data, ".."), { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        if (typeof address === "object" && address !== null) resolve(address.port);
        else reject(new Error("no port"));
      });
    });
  });
}
