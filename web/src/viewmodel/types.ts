/**
 * What each screen shows and offers. Views code against these interfaces alone; the classes behind them are made by
 * `App` (app.ts). States are immutable snapshots: a new object for every change. No sentence is ever in here: texts
 * come as `Phrase` (a key of the catalogue and its parameters), refusals as `Problem` (catalogue key `error.<code>`).
 * Times are milliseconds since 1970 for display only. Ids are base64url text.
 */

export type * from "./types/words";
export type * from "./types/timeline";
export type * from "./types/appointment";
export type * from "./types/reminder";
export type * from "./types/composer";
export type * from "./types/app";
export type * from "./types/entrance";
export type * from "./types/inbox";
export type * from "./types/search";
export type * from "./types/conversation";
export type * from "./types/write";
export type * from "./types/settings";
export type * from "./types/journal";
