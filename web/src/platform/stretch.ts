/** Argon2id in a worker (docs/spec/protocol.md 9.2): the page stays alive while the code of a letter is stretched. */

import type { Stretch, StretchedCode } from "./platform.ts";

/** What the worker (model/stretch.worker.ts) is asked, and what it answers. */
export type StretchQuestion = { readonly code: string; readonly salt: Uint8Array<ArrayBuffer> };

export type StretchAnswer =
  | { readonly progress: number }
  | { readonly stretched: StretchedCode }
  | { readonly failed: true };

type Policy = { createScriptURL(url: string): unknown };
type TrustedTypes = { createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy };

/** `url`: the bundled worker, of this very origin. */
export function stretchInWorker(url: string): Stretch {
  return (code, salt, progress) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(trusted(url) as string, { type: "module" });
      const end = (): void => {
        worker.terminate();
      };
      worker.onmessage = (event: MessageEvent<StretchAnswer>) => {
        const answer = event.data;
        if ("progress" in answer) {
          progress(answer.progress);
          return;
        }
        end();
        if ("stretched" in answer) resolve(answer.stretched);
        else reject(new Error("the code could not be stretched"));
      };
      worker.onerror = () => {
        end();
        reject(new Error("the worker did not start"));
      };
      worker.postMessage({ code, salt });
    });
}

let policy: Policy | null = null;

/** A worker's address must be a trusted one under our content security policy. */
function trusted(url: string): unknown {
  const factory = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  if (factory === undefined) return url;
  policy ??= factory.createPolicy("fs-worker", {
    createScriptURL: (asked) => {
      if (new URL(asked, location.href).origin !== location.origin) throw new TypeError("a worker of another origin");
      return asked;
    },
  });
  return policy.createScriptURL(url);
}
