import { AnnotationMode, getDocument, type PDFDocumentProxy, type PDFPageProxy, PDFWorker, TextLayer } from "pdfjs-dist";
import workerUrl from "pdfjs-dist/build/pdf.worker.min.mjs?url";
import { scriptUrl } from "./script-url";

/**
 * A PDF drawn in the page. Nothing in the file is run or followed: no script, no form, no link, no annotation, no eval.
 * The worker is ours to make: left to itself pdf.js would be refused by Trusted Types and block the page instead.
 */

export type Page = PDFPageProxy;

export class Pdf {
  readonly #document: PDFDocumentProxy;
  readonly #close: () => void;

  private constructor(document: PDFDocumentProxy, close: () => void) {
    this.#document = document;
    this.#close = close;
  }

  /** Throws what pdf.js throws when the bytes are no PDF, are cut, or ask for a password. */
  static async open(bytes: Uint8Array): Promise<Pdf> {
    const port = new Worker(scriptUrl(workerUrl), { type: "module" });
    const worker = PDFWorker.create({ port });
    const close = (): void => {
      worker.destroy();
      port.terminate();
    };
    try {
      // pdf.js takes the buffer away with it: it gets a copy.
      const data = bytes.slice();
      const task = getDocument({ data, worker, isEvalSupported: false, enableXfa: false, useWasm: false, verbosity: 0 });
      return new Pdf(await task.promise, close);
    } catch (error) {
      close();
      throw error;
    }
  }

  get pages(): number {
    return this.#document.numPages;
  }

  /** `number` starts at 1. */
  async page(number: number): Promise<Page> {
    return this.#document.getPage(number);
  }

  close(): void {
    this.#close();
  }
}

/** Draws the page as wide as `width` CSS pixels, with a layer of selectable text over it. */
export async function drawPage(page: Page, canvas: HTMLCanvasElement, layer: HTMLElement, width: number): Promise<void> {
  const scale = width / page.getViewport({ scale: 1 }).width;
  const viewport = page.getViewport({ scale });
  const dense = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.round(viewport.width * dense);
  canvas.height = Math.round(viewport.height * dense);
  layer.style.setProperty("--total-scale-factor", String(scale));
  await page.render({
    canvas,
    viewport: page.getViewport({ scale: scale * dense }),
    annotationMode: AnnotationMode.DISABLE,
  }).promise;
  layer.replaceChildren();
  await new TextLayer({ textContentSource: page.streamTextContent(), container: layer, viewport }).render();
}

/** The words of a page in reading order, a line a line. */
export async function pageText(page: Page): Promise<string> {
  const content = await page.getTextContent();
  return content.items
    .map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : ""))
    .join("")
    .trim();
}
