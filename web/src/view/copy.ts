import { t } from "../i18n/locale.svelte";
import { announcer } from "../ui/announcer.svelte";

/**
 * Put `text` on the clipboard and say so. Where the browser keeps the clipboard from a page (another program holds it, a page
 * without TLS), say that instead: it stands on the screen and can be copied by hand.
 *
 * @returns whether it was copied
 */
export async function copy(text: string, done: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    announcer.say(t("copy.refused"));
    return false;
  }
  announcer.say(done);
  return true;
}
