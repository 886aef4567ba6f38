import { t } from "../../i18n/locale.svelte";
import type { CodeField } from "../../viewmodel/types";

/** What to correct, once the code is complete. */
export function codeError(code: CodeField): string | undefined {
  return code.problem === null ? undefined : t(`error.${code.problem}`);
}

/** The usual hint, then how much is missing while the reader types. */
export function codeHint(code: CodeField, usual: string): string {
  return code.text === "" || code.missing === 0 ? usual : t("code.missing", { count: code.missing });
}
