/** The worker behind `Platform.stretch`: one code, stretched, then it ends. Source: docs/spec/protocol.md 9.2. */

import type { StretchAnswer, StretchQuestion } from "../platform/stretch.ts";
import { stretchCode } from "../protocol/invitation.ts";

const port = globalThis as unknown as {
  onmessage: ((event: MessageEvent<StretchQuestion>) => void) | null;
  postMessage(answer: StretchAnswer): void;
};

port.onmessage = ({ data }) => {
  const progress = (share: number): void => {
    port.postMessage({ progress: share });
  };
  stretchCode(data.code, data.salt, progress).then(
    (stretched) => {
      port.postMessage({ stretched });
    },
    () => {
      port.postMessage({ failed: true });
    },
  );
};
