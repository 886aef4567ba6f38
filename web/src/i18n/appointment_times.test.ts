import { beforeAll, expect, it } from "vitest";
import { city, isoWall, nearDay, placeZones, wallDay, wallTime } from "./appointment_times";

beforeAll(() => {
  (globalThis as { document?: unknown }).document ??= { documentElement: { lang: "" } };
});

const utc = (text: string): number => Date.parse(`${text}Z`);

it("says the first of a month as French does, with the year of another year", () => {
  expect(wallDay(utc("2031-12-01T08:00"), "Europe/Paris")).toBe("lundi 1er décembre 2031");
  expect(wallDay(utc("2031-12-11T08:00"), "Europe/Paris")).toBe("jeudi 11 décembre 2031");
});

it("says today and tomorrow by the calendar of the place, not of the device", () => {
  const evening = utc("2031-07-14T22:30"); // the 15th in Paris, the 14th in Martinique
  expect(nearDay(utc("2031-07-15T07:00"), "Europe/Paris", evening)).toBe("aujourd’hui");
  expect(nearDay(utc("2031-07-15T13:00"), "America/Martinique", evening)).toBe("demain");
  expect(nearDay(utc("2031-07-16T22:30"), "Europe/Paris", evening)).toBeNull();
});

it("counts hours of the place through a change of clocks", () => {
  const change = utc("2031-03-29T11:00"); // the day before clocks advance in Paris
  expect(nearDay(utc("2031-03-30T21:30"), "Europe/Paris", change)).toBe("demain");
  expect(wallTime(utc("2031-03-30T21:30"), "Europe/Paris")).toBe("23:30");
});

it("gives a form the clock of the place", () => {
  expect(isoWall(utc("2031-12-31T23:30"), "Europe/Paris")).toEqual({ day: "2032-01-01", time: "00:30" });
  expect(isoWall(utc("2031-07-14T09:00"), "Pacific/Marquesas")).toEqual({ day: "2031-07-13", time: "23:30" });
  expect(isoWall(utc("2031-07-14T09:00"), "Moon/Base")).toEqual({ day: "2031-07-14", time: "09:00" });
});

it("knows every place where French practices are, by a name of its own", () => {
  const cities = placeZones("Europe/Paris").map(city);
  expect(cities.length).toBeGreaterThanOrEqual(12);
  expect(new Set(cities).size).toBe(cities.length);
  expect(cities.join()).not.toMatch(/_/u);
});
