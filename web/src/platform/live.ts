/** Socket.IO as docs/spec/api.md 8 wants it: WebSocket only, one connection, no automatic reconnection (sync decides). */

import type { Live } from "./platform.ts";

export function socketIo(origin: string): Live {
  return {
    connect: (auth, handlers) => {
      let close: () => void = () => {
        closed = true;
      };
      let closed = false;
      let emit: (name: string, body: unknown) => void = () => undefined;
      const end = (): void => {
        if (closed) return;
        closed = true;
        close();
        handlers.closed();
      };
      // Loaded when first needed: the first page of a person with a letter does without it.
      import("socket.io-client").then(({ io }) => {
        if (closed) return;
        const socket = io(origin, {
          path: "/v1/socket.io",
          transports: ["websocket"],
          reconnection: false,
          forceNew: true,
          auth: { ...auth },
        });
        close = () => socket.disconnect();
        emit = (name, body) => socket.emit(name, body);
        socket.on("connect", handlers.opened);
        socket.on("connect_error", end);
        socket.on("disconnect", end);
        socket.onAny((name: string, body: unknown) => {
          handlers.event(name, body);
        });
      }, end);
      return {
        emit: (name, body) => {
          emit(name, body);
        },
        close: () => {
          closed = true;
          close();
        },
      };
    },
  };
}
