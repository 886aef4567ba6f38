/** How the reader likes the page: kept on this device, in the clear, since it says nothing of anybody. */

export const THEMES = ["auto", "light", "dark"] as const;
export const SIZES = ["1", "1.15", "1.3"] as const;
export type Theme = (typeof THEMES)[number];
export type Size = (typeof SIZES)[number];

const KEY = "pli-look";

type Kept = { theme: Theme; size: Size; language: string | null };
const USUAL: Kept = { theme: "auto", size: "1", language: null };

function read(): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Record<keyof Kept, unknown>>;
    return {
      theme: THEMES.find((theme) => theme === kept.theme) ?? USUAL.theme,
      size: SIZES.find((size) => size === kept.size) ?? USUAL.size,
      language: typeof kept.language === "string" ? kept.language : null,
    };
  } catch {
    return USUAL; // storage refused, or not ours: the usual look is right
  }
}

class Preferences {
  #kept = $state.raw<Kept>(read());

  get theme(): Theme {
    return this.#kept.theme;
  }

  get size(): Size {
    return this.#kept.size;
  }

  get language(): string | null {
    return this.#kept.language;
  }

  change(fields: Partial<Kept>): void {
    this.#kept = { ...this.#kept, ...fields };
    this.apply();
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#kept));
    } catch {
      // Lasts for this visit only.
    }
  }

  apply(): void {
    const root = document.documentElement;
    if (this.theme === "auto") delete root.dataset["theme"];
    else root.dataset["theme"] = this.theme;
    root.dataset["size"] = this.size;
  }
}

export const preferences = new Preferences();
