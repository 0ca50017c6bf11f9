import type { TUnsafe } from "typebox";
import { limitsForClients, type ImageSizeConstraints } from "./field-limits.ts";

/** The size of a picture, in pixels. */
export interface ImageDimensions {
  readonly width: number;
  readonly height: number;
}

/** The sizes that callers may name, in the order of documents. */
const PRESETS = {
  square_hd: { width: 1024, height: 1024 },
  square: { width: 512, height: 512 },
  portrait_4_3: { width: 768, height: 1024 },
  portrait_16_9: { width: 576, height: 1024 },
  landscape_4_3: { width: 1024, height: 768 },
  landscape_16_9: { width: 1024, height: 576 },
} as const satisfies Readonly<Record<string, ImageDimensions>>;

/** The name of a size. */
export type ImageSizePreset = keyof typeof PRESETS;

const side = (name: string): object => ({
  type: "integer",
  description: `The ${name} of the picture to make, in pixels.`,
  default: 512,
  exclusiveMinimum: 0,
  maximum: 14_142,
});
const SIZE = {
  $id: "ImageSize",
  type: "object",
  properties: { width: side("width"), height: side("height") },
};

/** Notes about a field with the size of a picture. */
export interface ImageSizeOptions {
  title?: string;
  description?: string;
  /** The size of a missing field. */
  default?: ImageSizePreset | ImageDimensions;
  /** How fal's playground shows the field, such as `{ important: true }`. */
  ui?: object;
  /** Limits that clients may check before they send a size. The framework does not check them. */
  constraints?: ImageSizeConstraints;
}

/**
 * The schema of the size of a picture to make: `{ width, height }`, or the name of a usual size.
 * @throws DefinitionError for invalid limits
 */
export function ImageSize({ constraints, ...notes }: ImageSizeOptions = {}): TUnsafe<
  ImageDimensions | ImageSizePreset
> {
  const limits = limitsForClients("ImageSize() constraints", "imageSize", constraints);
  const ofClients = limits === undefined ? {} : { "x-fal": limits };
  const schema = { ...notes, ...ofClients, anyOf: [SIZE, { type: "string", enum: Object.keys(PRESETS) }] };
  return schema as unknown as TUnsafe<ImageDimensions | ImageSizePreset>; // plain JSON: its type is a promise of the reader
}

/**
 * The width and height of a size.
 * @throws TypeError for another value
 */
export function getImageSize(size: ImageDimensions | ImageSizePreset): ImageDimensions {
  if (typeof size === "object" && size !== null) {
    const { width, height } = size;
    if (Number.isSafeInteger(width) && Number.isSafeInteger(height)) return { width, height };
  } else if (Object.hasOwn(PRESETS, size)) return PRESETS[size];
  const names = Object.keys(PRESETS).join(", ");
  throw new TypeError(
    `getImageSize() takes { width, height } or one of ${names}, got ${JSON.stringify(size)}.`,
  );
}
