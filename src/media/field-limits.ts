import { DefinitionError } from "../errors.ts";
import { didYouMean } from "../did-you-mean.ts";

/** Limits of a picture that an app makes. Sizes in pixels; an area is width times height. */
export interface ImageSizeConstraints {
  minWidth?: number;
  maxWidth?: number;
  minHeight?: number;
  maxHeight?: number;
  minArea?: number;
  maxArea?: number;
  /** Width divided by height. Needs `maxAspectRatio`. */
  minAspectRatio?: number;
  maxAspectRatio?: number;
  /** Width and height are multiples of it. */
  multipleOf?: number;
}

/** Limits of a picture that a caller sends. */
export interface ImageConstraints {
  /** In bytes. */
  maxFileSize?: number;
  minWidth?: number;
  maxWidth?: number;
  minHeight?: number;
  maxHeight?: number;
  /** Width divided by height. Needs `maxAspectRatio`. */
  minAspectRatio?: number;
  maxAspectRatio?: number;
}

/** Limits of a video that a caller sends. An area is that of a frame. */
export interface VideoConstraints extends ImageConstraints {
  minArea?: number;
  maxArea?: number;
  minFrames?: number;
  maxFrames?: number;
  /** In seconds. */
  minDuration?: number;
  maxDuration?: number;
  minFps?: number;
  maxFps?: number;
}

/** Changes that an app makes to a video: outside of these limits, the video is scaled, shortened or resampled. */
export interface VideoNormalization {
  minWidth?: number;
  maxWidth?: number;
  minHeight?: number;
  maxHeight?: number;
  minArea?: number;
  maxArea?: number;
  /** In seconds. */
  maxDuration?: number;
  fps?: number;
}

const SIZE = ["minWidth", "maxWidth", "minHeight", "maxHeight"] as const;
const AREA = ["minArea", "maxArea"] as const;
const RATIO = ["minAspectRatio", "maxAspectRatio"] as const;
const OF_IMAGE = ["maxFileSize", ...SIZE, ...RATIO] as const;

/** The limits of each kind, by their names here. */
const NAMES = {
  imageSize: [...SIZE, ...AREA, ...RATIO, "multipleOf"],
  image: OF_IMAGE,
  video: [
    ...[...OF_IMAGE, ...AREA, "minFrames", "maxFrames"],
    ...["minDuration", "maxDuration", "minFps", "maxFps"],
  ],
  normalization: [...SIZE, ...AREA, "maxDuration", "fps"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Limits that may be fractions. All others are whole numbers. */
const FRACTIONS = /AspectRatio$|Duration$|fps$/i;

/**
 * Limits in the form of the annotation `x-fal`: names in snake case, sorted. Undefined if no limit is set.
 * @throws DefinitionError for an unknown or invalid limit, or for limits that nothing could keep
 */
export function limitsForClients(
  where: string,
  kind: keyof typeof NAMES,
  limits: object | undefined,
): Record<string, number> | undefined {
  const known: readonly string[] = NAMES[kind];
  const given = Object.entries(limits ?? {}).filter(
    (entry): entry is [string, unknown] => entry[1] !== undefined,
  );
  const fault = (message: string): DefinitionError =>
    new DefinitionError("SCHEMA_INVALID", `${where}: ${message}`);
  for (const [name, value] of given) {
    if (!known.includes(name)) {
      throw fault(`unknown limit "${name}"${didYouMean(name, known) || `; known: ${known.join(", ")}.`}`);
    }
    const isWhole = !FRACTIONS.test(name);
    const fits =
      typeof value === "number" && value >= 0 && (isWhole ? Number.isSafeInteger(value) : value < Infinity);
    if (!fits)
      throw fault(
        `${name} must be a ${isWhole ? "whole number" : "number"} of at least 0, got ${String(value)}.`,
      );
  }
  const values = Object.fromEntries(given) as Readonly<Record<string, number>>;
  for (const least of known.filter((name) => name.startsWith("min"))) {
    const most = least.replace("min", "max");
    const [low, high] = [values[least], values[most]];
    if (low !== undefined && high !== undefined && low > high)
      throw fault(`${least} (${low}) is above ${most} (${high}).`);
  }
  // One bound is ambiguous: a ratio can be read both ways.
  if ((values["minAspectRatio"] === undefined) !== (values["maxAspectRatio"] === undefined))
    throw fault("minAspectRatio and maxAspectRatio need each other.");
  const named = given.map(([name]) => [snakeCase(name), values[name] as number] as const);
  if (named.length === 0) return undefined;
  return Object.fromEntries(named.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
