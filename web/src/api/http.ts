/** One call over HTTP: headers, problem documents, a session that is renewed once, and patience for idempotent calls. */

import type { Clock, Http } from "../platform/platform.ts";
import { refusal, Refused, Unreachable } from "./refusal.ts";

const ATTEMPTS = 4;
const FIRST_WAIT = 400; // milliseconds, doubled each time
const JSON_TYPE = "application/json";

export type Call = {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";
  readonly path: string;
  readonly json?: unknown;
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Repeated on network failures and 5xx: only where a repeat changes nothing. */
  readonly patient?: boolean;
  /** This call makes the session itself: 401 is its answer, not a reason to renew. */
  readonly open?: boolean;
};

export class Caller {
  readonly #http: Http;
  readonly #clock: Clock;
  readonly #random: () => number;
  #renewing: Promise<boolean> | null = null;
  /** Opens a session again with the keys of this device; false when that is not possible. */
  renew: () => Promise<boolean> = () => Promise.resolve(false);

  constructor(http: Http, clock: Clock, random: () => number) {
    this.#http = http;
    this.#clock = clock;
    this.#random = random;
  }

  async json<T>(call: Call): Promise<T> {
    const response = await this.response(call);
    return (await response.json().catch(() => {
      throw new Unreachable("the answer was cut");
    })) as T;
  }

  async done(call: Call): Promise<void> {
    await this.response(call);
  }

  /** @throws Refused, Unreachable; whatever `signal` aborts with. */
  async response(call: Call): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#renewed(call);
      } catch (error) {
        const again = call.patient === true && attempt < ATTEMPTS && passing(error) && call.signal?.aborted !== true;
        if (!again) throw error;
        await this.#wait(FIRST_WAIT * 2 ** (attempt - 1), call.signal);
      }
    }
  }

  async #renewed(call: Call): Promise<Response> {
    try {
      return await this.#once(call);
    } catch (error) {
      if (call.open === true || !(error instanceof Refused) || error.code !== "unauthenticated") throw error;
      this.#renewing ??= this.renew().finally(() => {
        this.#renewing = null;
      });
      if (!(await this.#renewing)) throw error;
      return this.#once(call);
    }
  }

  async #once(call: Call): Promise<Response> {
    let response: Response;
    try {
      response = await this.#http.fetch(call.path, request(call));
    } catch (error) {
      if (call.signal?.aborted === true) throw error;
      throw new Unreachable("no answer");
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }

  async #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.#clock.after(ms * (0.75 + this.#random() / 2), done);
      signal?.addEventListener("abort", done);
    });
  }
}

function request(call: Call): RequestInit {
  const headers: Record<string, string> = { "X-Pli": "1", Accept: JSON_TYPE, ...call.headers };
  if (call.json !== undefined) headers["Content-Type"] = JSON_TYPE;
  const body = call.json === undefined ? call.bytes : JSON.stringify(call.json);
  return {
    method: call.method,
    headers,
    ...(body === undefined ? {} : { body }),
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  };
}

function passing(error: unknown): boolean {
  if (error instanceof Refused) return error.status >= 500 && error.status !== 507;
  return error instanceof Unreachable;
}
