import type { Model } from "./model.ts";
import type { Picture } from "./picture.ts";
import { EVEN, planesOf } from "./planes.ts";
import { sizeOf, type Quad } from "./quad.ts";
import { cropped } from "./text-crop.ts";

/** The model reads lines of this height, in pixels. */
const HEIGHT = 48;
/** The width of one step of the model's output, in pixels. */
const WIDTH_STEP = 8;
/** The longest line, 80 times as wide as high; longer ones are compressed. */
const MAX_WIDTH = HEIGHT * 80;
/** Minimum probability of a space in a gap, even if another class is more likely. */
const SPACE = 0.05;

/** The text of a line. */
export interface Reading {
  readonly text: string;
  /** The mean over the line's characters, from 0 to 1; 0 for no text. */
  readonly confidence: number;
}

/**
 * Reads the line in a quad of a picture. `characters` are the model's classes; the first is blank, the last is a space.
 * Lines go through the model one by one, because on a CPU several at once take as long.
 */
export async function readLine(
  model: Model,
  characters: readonly string[],
  picture: Picture,
  quad: Quad,
): Promise<Reading> {
  const { width, height } = sizeOf(quad);
  const scaled = Math.min(Math.max(Math.round((width / height) * HEIGHT), 1), MAX_WIDTH);
  const line = cropped(picture, quad, scaled, HEIGHT);
  return decoded(
    await model.run(planesOf(line, EVEN, Math.ceil(scaled / WIDTH_STEP) * WIDTH_STEP)),
    characters,
  );
}

/** The likeliest class of each step; a repeated class is one character, the first class separates two. */
function decoded(likely: Float32Array, characters: readonly string[]): Reading {
  const space = characters.length - 1;
  let text = "";
  let sum = 0;
  let count = 0;
  let before = 0;
  let gap = 0;
  for (let start = 0; start < likely.length; start += characters.length) {
    const step = likely.subarray(start, start + characters.length);
    const best = largestOf(step);
    if (best === 0) gap = Math.max(gap, step[space] as number);
    if (best !== 0 && best !== before) {
      if (gap >= SPACE && best !== space && !text.endsWith(" ")) text += " ";
      text += characters[best];
      sum += step[best] as number;
      count++;
      gap = 0;
    }
    before = best;
  }
  return { text: text.trim(), confidence: count === 0 ? 0 : Math.min(sum / count, 1) };
}

function largestOf(values: Float32Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) {
    if ((values[index] as number) > (values[best] as number)) best = index;
  }
  return best;
}
