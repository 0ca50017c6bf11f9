import { grown, sizeOf, smallestQuad, type Point, type Quad } from "./quad.ts";

/** Minimum probability of a pixel that belongs to text. */
const TEXT = 0.3;
/** Minimum mean probability of the pixels of a rectangle of text. */
const RECTANGLE = 0.5;
/** Minimum size of text, in pixels of the map; smaller marks are noise. */
const MIN_SIDE = 3;
/** The model marks the core of a line; the line's rectangle is larger by this share of area to perimeter. */
const GROWTH = 1.6;

/** The probability that each pixel belongs to the core of a line of text. */
export interface TextMap {
  readonly likely: Float32Array;
  readonly width: number;
  readonly height: number;
}

/** A stretch of touching pixels that are text. */
interface Blob {
  /** The sum of their probabilities. */
  readonly sum: number;
  /** The outer corners of the first and the last pixel of each row. */
  readonly outline: readonly Point[];
}

/** The rectangles around the text of a map, in pixels of the map. */
export function quadsIn(map: TextMap): Quad[] {
  const quads: Quad[] = [];
  for (const { sum, outline } of blobsIn(map)) {
    const core = smallestQuad(outline);
    const { width, height } = sizeOf(core);
    const area = width * height;
    if (Math.min(width, height) < MIN_SIDE || sum / area < RECTANGLE) continue;
    quads.push(grown(core, (area * GROWTH) / (2 * (width + height))));
  }
  return quads;
}

function* blobsIn({ likely, width, height }: TextMap): Generator<Blob> {
  const seen = new Uint8Array(likely.length);
  const first = new Int32Array(height);
  const last = new Int32Array(height);
  const waiting: number[] = [];
  const visit = (index: number): void => {
    if (seen[index] === 1 || (likely[index] as number) < TEXT) return;
    seen[index] = 1;
    waiting.push(index);
  };
  for (let start = 0; start < likely.length; start++) {
    visit(start);
    if (waiting.length === 0) continue;
    let sum = 0;
    const top = Math.floor(start / width); // rows are visited from the top
    let bottom = top - 1;
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      sum += likely[index] as number;
      const y = Math.floor(index / width);
      const x = index - y * width;
      for (; bottom < y; bottom++) {
        first[bottom + 1] = width;
        last[bottom + 1] = 0;
      }
      first[y] = Math.min(first[y] as number, x);
      last[y] = Math.max(last[y] as number, x);
      for (let nextY = Math.max(y - 1, 0); nextY <= Math.min(y + 1, height - 1); nextY++) {
        for (let nextX = Math.max(x - 1, 0); nextX <= Math.min(x + 1, width - 1); nextX++) {
          visit(nextY * width + nextX);
        }
      }
    }
    const outline: Point[] = [];
    for (let y = top; y <= bottom; y++) {
      const [from, to] = [first[y] as number, (last[y] as number) + 1];
      outline.push([from, y], [to, y], [from, y + 1], [to, y + 1]);
    }
    yield { sum, outline };
  }
}
