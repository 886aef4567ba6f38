import { language } from "./locale.svelte";

/** Dates, times and sizes as they are said in the language spoken now. Times are milliseconds since 1970. */

const DAY = 86_400_000;

/** `Intl` formatters are slow to make and quick to use: one of each is kept. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function format(at: number, options: Intl.DateTimeFormatOptions): string {
  const key = language() + JSON.stringify(options);
  let formatter = formatters.get(key);
  if (!formatter) formatters.set(key, (formatter = new Intl.DateTimeFormat(language() === "en" ? "en-GB" : "fr-FR", options)));
  return formatter.format(at);
}

const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0);
const daysAgo = (at: number): number => Math.round((midnight(Date.now()) - midnight(at)) / DAY);
const thisYear = (at: number): boolean => new Date(at).getFullYear() === new Date().getFullYear();

export function sameDay(one: number, other: number): boolean {
  return midnight(one) === midnight(other);
}

/** "18:02" */
export function time(at: number): string {
  return format(at, { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** "28 mars", "28 mars 2025" when it is not this year. */
export function date(at: number): string {
  return format(at, { day: "numeric", month: "long", ...(thisYear(at) ? {} : { year: "numeric" }) });
}

/** "28 mars 2026" */
export function fullDate(at: number): string {
  return format(at, { day: "numeric", month: "long", year: "numeric" });
}

/** "Samedi 14 mars", with today and yesterday by their name. */
export function dayTitle(at: number): string {
  const ago = daysAgo(at);
  const named = new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(-ago, "day");
  const text = ago === 0 || ago === 1 ? named : format(at, { weekday: "long", day: "numeric", month: "long", ...(thisYear(at) ? {} : { year: "numeric" }) });
  return text.charAt(0).toLocaleUpperCase(language()) + text.slice(1);
}

/** For a list: the time today, then "hier", "lun.", "3 mars". */
export function brief(at: number): string {
  const ago = daysAgo(at);
  if (ago <= 0) return time(at);
  if (ago === 1) return new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(-1, "day");
  if (ago < 7) return format(at, { weekday: "short" });
  return format(at, { day: "numeric", month: "short", ...(thisYear(at) ? {} : { year: "numeric" }) });
}

/** "182 ko"; the space that `Intl` puts is too narrow to be seen in our font. */
export function size(bytes: number): string {
  const [value, unit] = bytes < 1_000_000 ? [Math.max(1, bytes / 1000), "kilobyte"] : [bytes / 1_000_000, "megabyte"];
  return new Intl.NumberFormat(language(), {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: value < 10 && unit === "megabyte" ? 1 : 0,
  })
    .format(value)
    .replace("\u202f", "\u00a0");
}
