/** The one suite of version 1: sizes and limits. Source: docs/spec/protocol.md 2, 7.1, 8.2. */

export const VERSION = 1;
