import type { Component } from "svelte";
import type { FindingState, Piece } from "../../viewmodel/types";

/** What a search in the conversation on the screen has found: the message that is shown, how to mark words, and what draws them. */
export type Found = {
  readonly shown: FindingState["shown"];
  readonly mark: (text: string) => readonly Piece[];
  /** Fetched with the search. */
  readonly Marked: Component<{ pieces: readonly Piece[] }>;
};
