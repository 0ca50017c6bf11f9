// The work of the servers that take and return pictures: a thumbnail, made by sharp.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Type, type Static } from "typebox";

/** The part of sharp that is used here. */
type Sharp = (bytes: Uint8Array) => {
  resize(width: number): ReturnType<Sharp>;
  toBuffer(options: {
    resolveWithObject: true;
  }): Promise<{ data: Buffer; info: { width: number; height: number } }>;
};

const rivals = createRequire(join(process.env["BENCHMARK_RIVALS"] ?? ".", "index.js"));
const sharp = rivals("sharp") as Sharp;

/** The folder of the benchmark, with the picture and all that is stored. */
const FOLDER = process.env["BENCHMARK_MEDIA"] ?? ".";
export const STORED = join(FOLDER, "stored");
/** The picture of all answers. */
export const PICTURE = readFileSync(join(FOLDER, "picture.jpg"));
export const PICTURE_WIDTH = 1280;
export const PICTURE_HEIGHT = 960;

const THUMBNAIL_WIDTH = 256;

/** The size of a thumbnail, in pixels. */
export const Size = Type.Object({ width: Type.Integer(), height: Type.Integer() });

/** Makes a thumbnail of a picture, and gives its size. */
export async function shrink(bytes: Uint8Array): Promise<Static<typeof Size>> {
  const { info } = await sharp(bytes).resize(THUMBNAIL_WIDTH).toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height };
}
