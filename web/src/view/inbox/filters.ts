import type { IconName } from "../../ui/icons";
import type { InboxFilter } from "../../viewmodel/types";

export const FILTERS: readonly { readonly filter: InboxFilter; readonly icon: IconName }[] = [
  { filter: "all", icon: "message" },
  { filter: "unread", icon: "inbox" },
  { filter: "waiting", icon: "clock" },
  { filter: "ended", icon: "archive" },
];
