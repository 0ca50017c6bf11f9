import { Tensor } from "onnxruntime-node";
import type { Picture } from "./picture.ts";

/** The mean that a model subtracts from colours between 0 and 1, and the deviation that divides them: blue, green, red. */
export interface Scaling {
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

/** Colours from -1 to 1. */
export const EVEN: Scaling = { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] };

/**
 * A picture in the models' format: a plane of blue, one of green, one of red. With a row width, rows are padded with 0.
 */
export function planesOf(
  { rgb, width, height }: Picture,
  { mean, deviation }: Scaling,
  rowWidth: number = width,
): Tensor {
  const planes = new Float32Array(3 * height * rowWidth);
  for (let channel = 0; channel < 3; channel++) {
    const factor = 1 / (255 * (deviation[channel] as number));
    const offset = (mean[channel] as number) / (deviation[channel] as number);
    for (let y = 0; y < height; y++) {
      const row = (channel * height + y) * rowWidth;
      for (let x = 0; x < width; x++) {
        planes[row + x] = (rgb[(y * width + x) * 3 + 2 - channel] as number) * factor - offset;
      }
    }
  }
  return new Tensor("float32", planes, [1, 3, height, rowWidth]);
}
