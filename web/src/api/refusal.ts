/** How a call to the server can fail: it said no, or it did not answer. */

import type { ProblemDocument } from "./types.ts";

/** The server refused. `code` is one of docs/spec/errors.md. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly code: string;
  readonly status: number;
  /** Seconds from `Retry-After`, or null. */
  readonly retryAfter: number | null;
  readonly problem: ProblemDocument;

  constructor(status: number, problem: ProblemDocument, retryAfter: number | null) {
    super(`${problem.code} (${status})`);
    this.code = problem.code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.problem = problem;
  }

  /** The same call may succeed later without any change. */
  get passing(): boolean {
    return this.status >= 500 || this.status === 429;
  }
}

/** The server did not answer, or not in our language (a proxy, a captive portal). */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

export async function refusal(response: Response): Promise<Refused | Unreachable> {
  const problem = await problemOf(response);
  const after = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const retryAfter = Number.isFinite(after) ? after : null;
  if (problem !== null) return new Refused(response.status, problem, retryAfter);
  // 5xx of a proxy in front: not ours, try again.
  return new Unreachable(`answer ${response.status} without a problem document`);
}

async function problemOf(response: Response): Promise<ProblemDocument | null> {
  if (!(response.headers.get("Content-Type") ?? "").includes("json")) return null;
  try {
    const body: unknown = await response.json();
    const known = typeof body === "object" && body !== null && "code" in body && typeof body.code === "string";
    return known ? (body as ProblemDocument) : null;
  } catch {
    return null;
  }
}
