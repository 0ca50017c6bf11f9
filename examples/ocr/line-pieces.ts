import { sizeOf, smallestQuad, type Point, type Quad } from "./quad.ts";

/** Maximum gap between two pieces of one line, in heights of the lower piece. */
const GAP = 0.8;
/** Maximum ratio of the heights of two pieces of one line. */
const HIGHER = 1.6;
/** Maximum vertical distance of the middles of two pieces of one line, in heights of the lower piece. */
const OFFSET = 0.25;

/** Joins the pieces into which wide gaps between words divide a line, before they are read. */
export function joined(pieces: readonly Quad[]): Quad[] {
  const lines: Quad[] = [];
  for (const piece of pieces.toSorted((a, b) => a[0][0] - b[0][0])) {
    const index = lines.findIndex((line) => goesOn(line, piece));
    const line = lines[index];
    if (line === undefined) lines.push(piece);
    else lines[index] = smallestQuad([...line, ...piece]);
  }
  return lines;
}

function goesOn(line: Quad, piece: Quad): boolean {
  const [a, b] = [sizeOf(line), sizeOf(piece)];
  // Two pieces that are higher than wide are separate lines, which run down or up.
  if (a.width < a.height && b.width < b.height) return false;
  const height = Math.min(a.height, b.height);
  if (Math.max(a.height, b.height) > height * HIGHER) return false;
  const [from, to] = a.width > b.width ? line : piece;
  const length = Math.max(a.width, b.width);
  const [x, y] = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
  const end = between(line[1], line[2]);
  const start = between(piece[0], piece[3]);
  const [dx, dy] = [start[0] - end[0], start[1] - end[1]];
  return Math.abs(dx * x + dy * y) < height * GAP && Math.abs(dy * x - dx * y) < height * OFFSET;
}

function between(a: Point, b: Point): Point {
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}
