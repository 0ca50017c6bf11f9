import { sizeOf, type Point, type Quad } from "./quad.ts";

/** Minimum height of a free strip across the page that ends a part of it, in heights of a line. */
const PART_GAP = 1.5;
/** Minimum gap between two columns of text, in heights of a line. */
const COLUMN_GAP = 0.75;
/** Minimum length of the lines in a column of text, in heights of a line. Shorter lines are cells of a table. */
const COLUMN_WIDTH = 5;

/** The upright rectangle around a line, after the page was straightened. */
interface Block {
  readonly index: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/**
 * The order in which lines are read, as indexes of their quads: columns of text one after another, everything else
 * row by row, each from left to right. The page may be at any angle: "left" is where the lines begin.
 */
export function readingOrder(quads: readonly Quad[]): number[] {
  return ordered(straightened(quads)).map(({ index }) => index);
}

function straightened(quads: readonly Quad[]): Block[] {
  // The angle of the page is that of its lines; long lines have more weight.
  let [right, down] = [0, 0];
  for (const [start, end] of quads) {
    right += end[0] - start[0];
    down += end[1] - start[1];
  }
  const length = Math.hypot(right, down);
  const [x, y] = length === 0 ? [1, 0] : [right / length, down / length];
  return quads.map((quad, index) => {
    const [a, b, c, d] = quad.map((point): Point => [
      point[0] * x + point[1] * y,
      point[1] * x - point[0] * y,
    ]) as unknown as Quad;
    const centre = (a[1] + b[1] + c[1] + d[1]) / 4;
    // A line that is not quite parallel must not reach into the rows beside it.
    const half = Math.min(sizeOf(quad).height, Math.abs(c[1] - a[1])) / 2;
    return {
      index,
      left: Math.min(a[0], b[0], c[0], d[0]),
      right: Math.max(a[0], b[0], c[0], d[0]),
      top: centre - half,
      bottom: centre + half,
    };
  });
}

function ordered(blocks: readonly Block[]): Block[] {
  if (blocks.length < 2) return [...blocks];
  const parts = partedAt(blocks, "top", "bottom", heightOf(blocks) * PART_GAP);
  if (parts.length > 1) return parts.flatMap(ordered);
  const bands = partedAt(blocks, "top", "bottom", 0);
  // The largest run of bands that are columns; the bands above are read before it, those below after it.
  for (let count = bands.length; count > 0; count--) {
    for (let start = 0; start + count <= bands.length; start++) {
      const columns = columnsOf(bands.slice(start, start + count).flat());
      if (columns.length < 2) continue;
      return [
        ...ordered(bands.slice(0, start).flat()),
        ...columns.flatMap(ordered),
        ...ordered(bands.slice(start + count).flat()),
      ];
    }
  }
  return bands.flatMap(rowsOf);
}

/** The blocks by column; one list if they aren't columns of text. */
function columnsOf(blocks: readonly Block[]): Block[][] {
  const height = heightOf(blocks);
  const columns = partedAt(blocks, "left", "right", height * COLUMN_GAP);
  const areText = columns.every(
    (column) =>
      column.length > 1 && median(column.map(({ left, right }) => right - left)) >= height * COLUMN_WIDTH,
  );
  return areText ? columns : [[...blocks]];
}

/** Divides the blocks at gaps that no block crosses. The parts, and the blocks in each, are in the order of `from`. */
function partedAt(
  blocks: readonly Block[],
  from: "left" | "top",
  to: "right" | "bottom",
  gap: number,
): Block[][] {
  const parts: Block[][] = [];
  let end = -Infinity;
  for (const block of blocks.toSorted((a, b) => a[from] - b[from])) {
    if (block[from] >= end + gap) parts.push([]);
    parts.at(-1)?.push(block);
    end = Math.max(end, block[to]);
  }
  return parts;
}

/** The blocks of a band row by row. A block that begins above the middle of the row's first block is in that row. */
function rowsOf(band: readonly Block[]): Block[] {
  const middle = ({ top, bottom }: Block): number => (top + bottom) / 2;
  const rows: Block[][] = [];
  for (const block of band.toSorted((a, b) => middle(a) - middle(b))) {
    const row = rows.at(-1);
    if (row?.[0] !== undefined && middle(block) < row[0].bottom) row.push(block);
    else rows.push([block]);
  }
  return rows.flatMap((row) => row.sort((a, b) => a.left - b.left));
}

function heightOf(blocks: readonly Block[]): number {
  return median(blocks.map(({ top, bottom }) => bottom - top));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
