/** The writing box: text, documents that are sealed and sent up while one still writes, the reply right. */

import type { AttachmentReference, Attachments } from "../model/attachments.ts";
import type { FirstText } from "../model/beginnings.ts";
import type { ReplyMirror } from "../model/pending.ts";
import { plainLine } from "../model/plain_line.ts";
import { Observable } from "./observable.ts";
import { problemOf, problemOfCode } from "./presenting.ts";
import type { ChosenFile, Composer, ComposerState, DraftDocument, ReplyChoice } from "./types.ts";

const MAX_TEXT = 65_536; // bytes
const MAX_FILES = 20;
const DAY = 86_400_000;
const CODES = ["prescription", "advice", "report", "letter", "image", "other"] as const;

type Document = { readonly reference: AttachmentReference | null; readonly abort: AbortController };

/** What is written, ready to be sealed. */
export type Written = {
  readonly payload: FirstText;
  readonly attachments: readonly string[];
  readonly reply: ReplyMirror | null;
};

export class ComposerBox implements Composer {
  readonly state: Observable<ComposerState>;
  readonly #attachments: () => Attachments;
  readonly #now: () => number;
  readonly #changed: (text: string) => void;
  readonly #documents = new Map<string, Document>();
  #count = 0;

  /** `changed`: keep the draft. A professional chooses the reply right. */
  constructor(parts: {
    readonly attachments: () => Attachments;
    readonly now: () => number;
    readonly professional: boolean;
    readonly changed?: (text: string) => void;
  }) {
    this.#attachments = parts.attachments;
    this.#now = parts.now;
    this.#changed = parts.changed ?? (() => undefined);
    const reply: ReplyChoice | null = parts.professional ? { name: "open" } : null;
    this.state = new Observable<ComposerState>({ text: "", documents: [], reply, replaces: null, canSend: false, problem: null });
  }

  write(text: string): void {
    this.#patch({ text });
    this.#changed(text);
  }

  attach(files: readonly ChosenFile[]): void {
    for (const file of files) {
      if (this.state.value.documents.length >= MAX_FILES) {
        this.#patch({ problem: problemOfCode("too_many_files") });
        return;
      }
      void this.#take(file);
    }
  }

  describe(id: string, fields: { readonly title?: string; readonly document?: string }): void {
    this.#document(id, fields);
  }

  detach(id: string): void {
    const { abort, reference = null } = this.#documents.get(id) ?? {};
    abort?.abort();
    this.#documents.delete(id);
    if (reference !== null) void this.#attachments().forget(reference.id);
    this.#patch({ documents: this.state.value.documents.filter((one) => one.id !== id) });
  }

  chooseReply(reply: ReplyChoice): void {
    if (this.state.value.reply !== null) this.#patch({ reply });
  }

  replace(message: string | null): void {
    this.#patch({ replaces: message });
  }

  /** What is written, and an empty box. Null when it cannot be sent. */
  take(): Written | null {
    if (!this.state.value.canSend) return null;
    const written = this.written();
    this.#documents.clear();
    this.#patch({ text: "", documents: [], replaces: null, problem: null });
    this.#changed("");
    return written;
  }

  /** What is written; the box keeps it. */
  written(): Written {
    const { text, documents, replaces } = this.state.value;
    const references = documents.flatMap((one) => this.#described(one));
    const reply = this.#reply();
    const payload: FirstText = { text, attachments: references, reply, replaces };
    return { payload, attachments: references.map(({ id }) => id), reply };
  }

  /** Undo, or a refused message: put it back where it can be changed. */
  restore(payload: FirstText): void {
    const documents = payload.attachments.map((reference): DraftDocument => {
      const id = this.#newId();
      this.#documents.set(id, { reference, abort: new AbortController() });
      const { name, media_type, size, title, document } = reference;
      return { id, name, mediaType: media_type, size, title, document, progress: 1, problem: null };
    });
    const text = this.state.value.text === "" ? payload.text : `${payload.text}\n${this.state.value.text}`;
    this.#patch({ text, documents: [...documents, ...this.state.value.documents], replaces: payload.replaces, problem: null });
    this.#changed(text);
  }

  async #take(file: ChosenFile): Promise<void> {
    const id = this.#newId();
    const abort = new AbortController();
    this.#documents.set(id, { reference: null, abort });
    const document = file.type.startsWith("image/") ? "image" : null;
    const draft: DraftDocument = { id, name: plainLine(file.name), mediaType: file.type, size: file.size, title: "", document, progress: 0, problem: null };
    this.#patch({ documents: [...this.state.value.documents, draft], problem: null });
    try {
      const reference = await this.#attachments().seal(file, abort.signal);
      if (abort.signal.aborted) return;
      this.#documents.set(id, { reference, abort });
      this.#document(id, { progress: 0.01 });
      await this.#upload(id, reference.id, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) this.#document(id, { problem: problemOf(error) });
    }
  }

  /** Early, while one still writes. When it fails it is tried again with the message itself. */
  async #upload(id: string, attachment: string, signal: AbortSignal): Promise<void> {
    const progress = (share: number): void => {
      this.#document(id, { progress: Math.max(0.01, share) });
    };
    await this.#attachments()
      .upload(attachment, progress, signal)
      .catch(() => undefined);
    this.#document(id, { progress: 1 });
  }

  #described(draft: DraftDocument): readonly AttachmentReference[] {
    const reference = this.#documents.get(draft.id)?.reference ?? null;
    if (reference === null) return [];
    const document = CODES.find((code) => code === draft.document) ?? null;
    return [{ ...reference, title: draft.title, document }];
  }

  #reply(): ReplyMirror | null {
    const { reply } = this.state.value;
    if (reply === null) return null;
    return reply.name === "days" ? { until: this.#now() + reply.days * DAY } : reply.name;
  }

  #document(id: string, fields: Partial<DraftDocument>): void {
    const documents = this.state.value.documents.map((one) => (one.id === id ? { ...one, ...fields } : one));
    this.#patch({ documents });
  }

  #patch(fields: Partial<ComposerState>): void {
    const next = { ...this.state.value, ...fields };
    const tooLong = new TextEncoder().encode(next.text).length > MAX_TEXT;
    const sealed = next.documents.every((one) => one.progress > 0 && one.problem === null);
    const something = next.text.trim() !== "" || next.documents.length > 0;
    const problem = tooLong ? problemOfCode("text_too_long") : next.problem?.code === "text_too_long" ? null : next.problem;
    this.state.set({ ...next, problem, canSend: something && sealed && !tooLong });
  }

  #newId(): string {
    this.#count += 1;
    return `draft-${this.#count}`;
  }
}
