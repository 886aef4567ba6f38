/** What can be done with one message; a view that only shows (the letter) gives none. */
export type MessageActions = {
  readonly retract: (message: string) => void;
  readonly resend: (message: string) => void;
  readonly takeBack: (message: string) => void;
  readonly correct: ((message: string) => void) | null;
  readonly save: (message: string, document: string) => void;
};
