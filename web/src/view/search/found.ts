import type { FindingState, Piece } from "../../viewmodel/types";

/** What a search in the conversation on the screen has found: the message that is shown, and how to mark words. */
export type Found = { readonly shown: FindingState["shown"]; readonly mark: (text: string) => readonly Piece[] };
