import { expect, test } from "vitest";
import { Heights } from "./heights";

const naive = (heights: readonly number[], row: number): number => heights.slice(0, row).reduce((sum, one) => sum + one, 0);

test("positions are the sums of the heights before, whatever was measured in which order", () => {
  const plain = Array.from({ length: 257 }, (_, row) => 20 + ((row * 37) % 91));
  const column = new Heights(plain);
  for (const row of [256, 0, 100, 31, 64]) {
    plain[row] = 200 + row;
    expect(column.set(row, 200 + row)).toBe(true);
  }
  for (let row = 0; row <= plain.length; row += 1) expect(column.top(row)).toBe(naive(plain, row));
  expect(column.total).toBe(naive(plain, plain.length));
});

test("the row at a distance is the one that covers it", () => {
  const column = new Heights([10, 20, 30]);
  expect([0, 9, 10, 29, 30, 59].map((distance) => column.rowAt(distance))).toEqual([0, 0, 1, 1, 2, 2]);
  expect(column.rowAt(-5)).toBe(0);
  expect(column.rowAt(1000)).toBe(2);
});

test("an empty column and a height that did not change are no trouble", () => {
  expect(new Heights([]).total).toBe(0);
  expect(new Heights([]).rowAt(10)).toBe(0);
  expect(new Heights([10]).set(0, 10)).toBe(false);
  expect(new Heights([10]).set(3, 10)).toBe(false);
});
