import { t } from "../i18n/locale.svelte";
import type { AppState } from "../viewmodel/types";

/** The title of the tab: where we are, how many unread, and never a name: tabs are seen by passers-by. */
export function pageTitle(state: AppState): string {
  const name = state.serverName || "Pli";
  if (state.connection === "ended" && state.phase === "open") return `${t("connection.ended.title")} · ${name}`;
  const unread = state.phase === "open" && state.unread > 0 ? `(${state.unread}) ` : "";
  return `${unread}${t(`title.${state.route.name}`)} · ${name}`;
}
