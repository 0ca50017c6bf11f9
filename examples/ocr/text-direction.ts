import type { Model } from "./model.ts";
import type { Picture } from "./picture.ts";
import { EVEN, planesOf } from "./planes.ts";
import { sizeOf, turned, type Quad } from "./quad.ts";
import { cropped } from "./text-crop.ts";

/** The size of the model's input, in pixels. */
const WIDTH = 192;
const HEIGHT = 48;
/** Minimum probability that a line is upside down for it to be turned. */
const SURE = 0.8;
/** Minimum ratio of height to width of a line that runs down or up. */
const STEEP = 1.5;

/** The same quad with its corners in the order in which its text is read. */
export async function directed(model: Model, picture: Picture, quad: Quad): Promise<Quad> {
  const { width, height } = sizeOf(quad);
  const along = height >= width * STEEP ? turned(quad, 1) : quad;
  const size = sizeOf(along);
  const seenWidth = Math.min(Math.max(Math.round((size.width / size.height) * HEIGHT), 1), WIDTH);
  const seen = cropped(picture, along, seenWidth, HEIGHT);
  const [, upsideDown = 0] = await model.run(planesOf(seen, EVEN, WIDTH));
  return upsideDown >= SURE ? turned(along, 2) : along;
}
