/** A point in a picture, in pixels from its top left corner. */
export type Point = readonly [x: number, y: number];

/** The corners of a rectangle at any angle, clockwise, from the top left as its text is read. */
export type Quad = readonly [Point, Point, Point, Point];

/** The quad's width and height, along its own edges. */
export function sizeOf([topLeft, topRight, , bottomLeft]: Quad): { width: number; height: number } {
  return { width: distance(topLeft, topRight), height: distance(topLeft, bottomLeft) };
}

/** The same rectangle, with its corners reordered for text that is turned clockwise by 0 to 3 quarter turns. */
export function turned(quad: Quad, quarters: number): Quad {
  const corner = (index: number): Point => quad[(index + quarters) % 4] as Point;
  return [corner(0), corner(1), corner(2), corner(3)];
}

/** The smallest rectangle around some points, read in the direction nearest to left-to-right. */
export function smallestQuad(points: readonly Point[]): Quad {
  const hull = convexHull(points);
  let best: Quad | undefined;
  let bestArea = Infinity;
  // One side of the smallest rectangle lies on an edge of the hull.
  hull.forEach((start, index) => {
    const end = hull[(index + 1) % hull.length] as Point;
    const length = distance(start, end);
    if (length === 0) return;
    const [quad, area] = quadAlong(hull, (end[0] - start[0]) / length, (end[1] - start[1]) / length);
    if (area >= bestArea) return;
    best = quad;
    bestArea = area;
  });
  const [only = [0, 0]] = hull;
  return best ?? [only, only, only, only];
}

/** The quad with each edge moved outwards by a number of pixels. */
export function grown(quad: Quad, by: number): Quad {
  const [topLeft, topRight, , bottomLeft] = quad;
  const { width, height } = sizeOf(quad);
  const right: Point = [((topRight[0] - topLeft[0]) / width) * by, ((topRight[1] - topLeft[1]) / width) * by];
  const down: Point = [
    ((bottomLeft[0] - topLeft[0]) / height) * by,
    ((bottomLeft[1] - topLeft[1]) / height) * by,
  ];
  const signs: readonly Point[] = [
    [-1, -1],
    [1, -1],
    [1, 1],
    [-1, 1],
  ];
  const corners = quad.map(([x, y], index): Point => {
    const [h, v] = signs[index] as Point;
    return [x + h * right[0] + v * down[0], y + h * right[1] + v * down[1]];
  });
  return corners as unknown as Quad;
}

/** The rectangle around a hull with edges along (x, y), a vector of length 1, and its area. */
function quadAlong(hull: readonly Point[], x: number, y: number): [quad: Quad, area: number] {
  // Of the four directions along its edges, text runs in the one nearest to the right.
  const [rightX, rightY] =
    Math.abs(x) >= Math.abs(y) ? [x * Math.sign(x), y * Math.sign(x)] : [Math.abs(y), -x * Math.sign(y)];
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const point of hull) {
    const across = point[0] * rightX + point[1] * rightY;
    const down = point[1] * rightX - point[0] * rightY;
    left = Math.min(left, across);
    right = Math.max(right, across);
    top = Math.min(top, down);
    bottom = Math.max(bottom, down);
  }
  const at = (across: number, down: number): Point => [
    across * rightX - down * rightY,
    across * rightY + down * rightX,
  ];
  const quad: Quad = [at(left, top), at(right, top), at(right, bottom), at(left, bottom)];
  return [quad, (right - left) * (bottom - top)];
}

function convexHull(points: readonly Point[]): readonly Point[] {
  const sorted = points.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
  return [...halfHull(sorted), ...halfHull(sorted.toReversed())];
}

/** One side of the hull, without its last point, where the other side begins. */
function halfHull(sorted: readonly Point[]): Point[] {
  const hull: Point[] = [];
  for (const point of sorted) {
    while (hull.length > 1 && !turnsLeft(hull.at(-2) as Point, hull.at(-1) as Point, point)) hull.pop();
    hull.push(point);
  }
  return hull.slice(0, -1);
}

function turnsLeft(a: Point, b: Point, c: Point): boolean {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0;
}

function distance(a: Point, b: Point): number {
  return Math.hypot(b[0] - a[0], b[1] - a[1]);
}
