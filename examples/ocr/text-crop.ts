import type { Picture } from "./picture.ts";
import { sizeOf, type Quad } from "./quad.ts";

/** Maximum number of samples that are averaged for a pixel, in each direction. */
const MAX_SAMPLES = 4;

/** Copies a rectangle at any angle out of a picture and scales it to a size, in pixels. */
export function cropped(picture: Picture, quad: Quad, width: number, height: number): Picture {
  const [[left, top], [rightX, rightY], , [downX, downY]] = quad;
  const size = sizeOf(quad);
  // When scaling down, several pixels are averaged to one, because text with holes in its strokes is hard to read.
  const across = samplesFor(size.width / width);
  const down = samplesFor(size.height / height);
  const rgb = new Uint8Array(width * height * 3);
  const pixel = new Float32Array(3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      pixel.fill(0);
      for (let sample = 0; sample < across * down; sample++) {
        const u = (x + ((sample % across) + 0.5) / across) / width;
        const v = (y + (Math.floor(sample / across) + 0.5) / down) / height;
        addSample(
          pixel,
          picture,
          left + u * (rightX - left) + v * (downX - left) - 0.5,
          top + u * (rightY - top) + v * (downY - top) - 0.5,
        );
      }
      for (let channel = 0; channel < 3; channel++) {
        rgb[(y * width + x) * 3 + channel] = Math.round((pixel[channel] as number) / (across * down));
      }
    }
  }
  return { rgb, width, height };
}

function samplesFor(shrinking: number): number {
  return Math.min(Math.max(Math.round(shrinking), 1), MAX_SAMPLES);
}

/** Adds the colour between four pixels; outside the picture, that of the nearest pixel. */
function addSample(sum: Float32Array, { rgb, width, height }: Picture, x: number, y: number): void {
  const inX = Math.min(Math.max(x, 0), width - 1);
  const inY = Math.min(Math.max(y, 0), height - 1);
  const left = Math.floor(inX);
  const top = Math.floor(inY);
  const dx = inX - left;
  const dy = inY - top;
  const right = left + 1 < width ? 3 : 0; // bytes from a pixel to the one right of it, and to the one below
  const below = top + 1 < height ? 3 * width : 0;
  const first = (top * width + left) * 3;
  for (let at = first; at < first + 3; at++) {
    const upper = (rgb[at] as number) * (1 - dx) + (rgb[at + right] as number) * dx;
    const lower = (rgb[at + below] as number) * (1 - dx) + (rgb[at + below + right] as number) * dx;
    sum[at - first] = (sum[at - first] as number) + upper * (1 - dy) + lower * dy;
  }
}
