import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Point, Quad } from "./quad.ts";
import { readingOrder } from "./reading-order.ts";

/** A line of text on a page that is not turned, 20 pixels high. */
function line(left: number, top: number, width: number): Quad {
  return [
    [left, top],
    [left + width, top],
    [left + width, top + 20],
    [left, top + 20],
  ];
}

/** The lines of the page after it was turned clockwise by a number of degrees. */
function turnedBy(degrees: number, quads: readonly Quad[]): Quad[] {
  const angle = (degrees * Math.PI) / 180;
  const turn = ([x, y]: Point): Point => [
    x * Math.cos(angle) - y * Math.sin(angle),
    x * Math.sin(angle) + y * Math.cos(angle),
  ];
  return quads.map(([a, b, c, d]) => [turn(a), turn(b), turn(c), turn(d)]);
}

/** Asserts that `readingOrder()` finds the given order, whichever order the lines are passed in. */
function assertOrder(quads: readonly Quad[]): void {
  const reversed = quads.toReversed();
  assert.deepEqual(
    readingOrder(reversed).map((index) => reversed[index]),
    quads,
  );
  assert.deepEqual(
    readingOrder(quads),
    quads.map((_, index) => index),
  );
}

const LEFT = [0, 30, 60].map((top) => line(0, top, 200));
const RIGHT = [0, 30, 60].map((top) => line(240, top, 200));
const LOWER_RIGHT = RIGHT.map(([[x, y]]) => line(x, y + 13, 200));
const HEAD = line(0, -30, 440);
const FOOT = line(0, 110, 440);

suite("reading order", () => {
  test("nothing has no order, one line is first", () => {
    assertOrder([]);
    assertOrder([line(5, 5, 50)]);
  });

  test("columns are read one after another, after what is above both and before what is below", () => {
    assertOrder([...LEFT, ...RIGHT]);
    assertOrder([HEAD, ...LEFT, ...RIGHT, FOOT]);
  });

  test("the lines of two columns need not be at one height", () => {
    assertOrder([HEAD, ...LEFT, ...LOWER_RIGHT, FOOT]);
  });

  test("three columns are read from left to right", () => {
    assertOrder([...LEFT, ...RIGHT, ...[0, 30, 60].map((top) => line(480, top, 150))]);
  });

  test("a table is read row by row", () => {
    assertOrder([0, 30, 60].flatMap((top) => [line(0, top, 200), line(300, top + 3, 40)]));
  });

  test("a part of the page ends where a strip is free", () => {
    const below = (quads: readonly Quad[]): Quad[] => quads.map(([[x, y]]) => line(x, y + 150, 200));
    assertOrder([...LEFT, ...RIGHT, ...below(LEFT), ...below(RIGHT)]);
  });

  test("the page may be at any angle", () => {
    for (const degrees of [-10, 3, 45, 90, 180, 270]) {
      assertOrder(turnedBy(degrees, [HEAD, ...LEFT, ...LOWER_RIGHT, FOOT]));
    }
  });
});
