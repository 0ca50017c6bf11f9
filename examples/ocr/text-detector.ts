import type { Model } from "./model.ts";
import { resized, type Picture } from "./picture.ts";
import { planesOf, type Scaling } from "./planes.ts";
import { sizeOf, type Point, type Quad } from "./quad.ts";
import { quadsIn } from "./text-map.ts";

/** Larger pictures are scaled down to this size, which limits the time for one. */
const MAX_SIDE = 960;
/** Minimum size of readable text, in pixels of the picture. */
const MIN_SIDE = 4;
/** The model halves the picture five times. */
const STEP = 32;
/** The constants of the model's training. */
const SCALING: Scaling = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/** Finds where there is text in a picture: a rectangle, at any angle, for each piece of a line, in no order. */
export async function findText(model: Model, picture: Picture): Promise<Quad[]> {
  const scale = Math.min(1, MAX_SIDE / Math.max(picture.width, picture.height));
  const width = stepped(picture.width * scale);
  const height = stepped(picture.height * scale);
  const likely = await model.run(planesOf(await resized(picture, width, height), SCALING));
  const [across, down] = [picture.width / width, picture.height / height];
  return quadsIn({ likely, width, height })
    .map(([a, b, c, d]): Quad => [scaled(a), scaled(b), scaled(c), scaled(d)])
    .filter((quad) => Math.min(sizeOf(quad).width, sizeOf(quad).height) >= MIN_SIDE);

  function scaled([x, y]: Point): Point {
    return [x * across, y * down];
  }
}

function stepped(side: number): number {
  return Math.max(STEP, Math.round(side / STEP) * STEP);
}
