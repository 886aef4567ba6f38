import { language, lookUp } from "./locale.svelte";

/** Times of appointments: the wall time of the place, whatever the device's zone. Times are milliseconds since 1970. */

const DAY = 86_400_000;
const formatters = new Map<string, Intl.DateTimeFormat>();

function parts(at: number, zone: string | undefined, options: Intl.DateTimeFormatOptions): string {
  const key = `${language()} ${zone ?? ""} ${JSON.stringify(options)}`;
  let formatter = formatters.get(key);
  if (!formatter) {
    const timeZone = zone === undefined ? {} : { timeZone: known(zone) };
    formatters.set(key, (formatter = new Intl.DateTimeFormat(language() === "en" ? "en-GB" : "fr-FR", { ...options, ...timeZone })));
  }
  return formatter.format(at);
}

/** What this browser knows of time zones; a name it does not know is read in UTC, and the offset says so. */
function known(zone: string): string {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone;
  } catch {
    return "UTC";
  }
}

/** "vendredi 24 avril", with the year when it is not this one. */
export function wallDay(at: number, zone?: string): string {
  const year = parts(at, zone, { year: "numeric" }) === parts(Date.now(), zone, { year: "numeric" }) ? {} : ({ year: "numeric" } as const);
  return first(parts(at, zone, { weekday: "long", day: "numeric", month: "long", ...year }));
}

/** "today", "tomorrow" (as `Intl` says it), when the day at the place is one of these days there. */
export function nearDay(at: number, zone: string, now: number): string | null {
  const days = [0, 1].find((ahead) => wallDay(now + ahead * DAY, zone) === wallDay(at, zone));
  return days === undefined ? null : new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(days, "day");
}

/** French says "1er", and `Intl` does not. */
function first(day: string): string {
  return language() === "fr" ? day.replace(/(^| )1 (?=\p{L})/u, "$11er ") : day;
}

/** "09:00" */
export function wallTime(at: number, zone?: string): string {
  return parts(at, zone, { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** "UTC+2" */
export function offset(at: number, zone?: string): string {
  const formatter = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset", ...(zone === undefined ? {} : { timeZone: known(zone) }) });
  const name = formatter.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value ?? "GMT";
  return name.replace("GMT", "UTC").replace("-", "−");
}

/** As people there call it, where French practices are; elsewhere the last part of the name, spaced. */
export function city(zone: string): string {
  if (known(zone) !== zone) return "UTC";
  return lookUp(`appointment.city.${zone}`, {}) ?? (zone.split("/").at(-1) ?? zone).replaceAll("_", " ");
}

/** "2026-12-02" and "09:00", as the fields of a form have them. */
export function isoWall(at: number, zone: string): { readonly day: string; readonly time: string } {
  const formatter = new Intl.DateTimeFormat("sv-SE", { timeZone: known(zone), dateStyle: "short", timeStyle: "short" });
  const [day = "", time = ""] = formatter.format(at).split(" ");
  return { day, time };
}

/** The device's clock shows another time than the place at that moment. */
export function elsewhere(at: number, zone: string): boolean {
  return wallTime(at, zone) !== wallTime(at) || wallDay(at, zone) !== wallDay(at);
}

/** Where French practices are. */
const PLACES = [
  "Europe/Paris", "America/Martinique", "America/Guadeloupe", "America/Cayenne", "America/Miquelon",
  "Indian/Reunion", "Indian/Mayotte", "Pacific/Noumea", "Pacific/Tahiti", "Pacific/Wallis",
  "Pacific/Marquesas", "Pacific/Gambier",
] as const;

/** Zones that a place may be in: the one it was in, that of the device, those of French practices. */
export function placeZones(before: string): readonly string[] {
  return [...new Set([before, deviceZone(), ...PLACES])];
}

export function deviceZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}
