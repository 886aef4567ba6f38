import { city, elsewhere, offset, wallDay, wallTime } from "../../i18n/appointment_times";
import { lookUp, t } from "../../i18n/locale.svelte";
import type { IconName } from "../../ui/icons";
import type { Tone } from "../../ui/Tag.svelte";
import type { AppointmentCard, AppointmentRow, Slot } from "../../viewmodel/types";

/** "vendredi 24 avril à 09:00", the wall time of the place. */
export function slotText(slot: Slot, zone: string): string {
  return t("appointment.slot", wall(slot.start, zone));
}

export function wall(at: number, zone?: string): { day: string; time: string } {
  return { day: wallDay(at, zone), time: wallTime(at, zone) };
}

/** "heure de Paris (UTC+2)", when the device's clock shows another time at that moment. */
export function zoneText(slot: Slot, zone: string): string | null {
  return elsewhere(slot.start, zone) ? t("appointment.zone", { city: city(zone), offset: offset(slot.start, zone) }) : null;
}

export function deviceText(slot: Slot): string {
  return t("appointment.device", wall(slot.start));
}

export function minutes(slot: Slot): number {
  return Math.round((slot.end - slot.start) / 60_000);
}

export function standingText(card: AppointmentCard, practice: boolean): string {
  return earlyText(card) ?? textOf(card, practice);
}

function textOf(card: AppointmentCard, practice: boolean): string {
  if (card.standing === "proposed" && card.waiting) return t("appointment.state.proposed.waiting");
  const own = byPractice(card);
  if (own !== null) return t(own);
  if (practice && (card.standing === "accepted" || card.standing === "moving")) return t("appointment.state.accepted.practice");
  return t(`appointment.state.${card.standing}`);
}

/** What the practice did of itself is not called an answer of the patient. */
function byPractice({ standing, noted, moved }: AppointmentCard): "appointment.state.noted" | "appointment.state.noting" | "appointment.state.moving.practice" | null {
  if (standing === "booked") return noted ? "appointment.state.noted" : null;
  if (!moved) return null;
  return standing === "accepted" ? "appointment.state.noting" : standing === "moving" ? "appointment.state.moving.practice" : null;
}

/** Called off before there was anything to come to. */
export function isWithdrawn({ standing, end }: AppointmentCard): boolean {
  return standing === "cancelled" && end !== null && end.early !== null;
}

function earlyText(card: AppointmentCard): string | null {
  if (!isWithdrawn(card)) return null;
  return t(card.end?.early === "asked" ? "appointment.state.withdrawn.ask" : "appointment.state.withdrawn");
}

const TONES: Record<AppointmentCard["standing"], Tone> = {
  asked: "patient",
  proposed: "patient",
  expired: "neutral",
  accepted: "warn",
  booked: "ok",
  moving: "warn",
  failed: "danger",
  refused: "neutral",
  cancelled: "danger",
  no_show: "neutral",
};

const ICONS: Partial<Record<AppointmentCard["standing"], IconName>> = { booked: "check", cancelled: "close", failed: "close", accepted: "clock", moving: "clock" };

export function standingTone(card: AppointmentCard): Tone {
  return isWithdrawn(card) ? "neutral" : TONES[card.standing];
}

export function standingIcon({ standing }: AppointmentCard): IconName {
  return ICONS[standing] ?? "calendar";
}

export function lineText(row: Extract<AppointmentRow, { kind: "line" }>): string {
  const { key, by, slot, zone, note, count } = row;
  const time = slot === null ? { day: "", time: "" } : wall(slot.start, zone);
  return lookUp(`appointment.did.${key}`, { by, note, count, ...time }) ?? t("appointment.void.newer");
}

const QUOTED = new Set(["ask", "other_wish"]);

/** What the author added in words, when the line itself does not say it. */
export function lineNote({ key, note }: Extract<AppointmentRow, { kind: "line" }>): string | null {
  return note === "" || QUOTED.has(key) ? null : t("appointment.did.note", { note });
}

export function voidText({ verdict, by }: Extract<AppointmentRow, { kind: "void" }>): string {
  switch (verdict) {
    case "newer_version":
      return t("appointment.void.newer");
    case "bad_format":
      return t("appointment.void.unreadable");
    case "taken":
    case "superseded":
      return t(`appointment.void.${verdict}`, { by });
    case "expired":
    case "late":
    case "closed":
    case "gone":
      return t("appointment.void.late", { by });
    default:
      return t("appointment.void.other", { by });
  }
}
