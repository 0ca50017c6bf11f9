import sharp from "sharp";

/** Pictures with more pixels than this are refused: a photograph of 25 megapixels takes 75 MB when decoded. */
export const MAX_PIXELS = 25_000_000;

/** Thrown for bytes that cannot be decoded as a picture; the message gives the reason. */
export class PictureError extends Error {
  override name = "PictureError";
}

/** A decoded picture: three bytes per pixel, red, green and blue, row by row. */
export interface Picture {
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
}

// A worker reads one picture at a time, and never the same one twice.
sharp.concurrency(1);
sharp.cache(false);

/**
 * Decodes a picture, rotated by its EXIF data, with transparent parts on white. The caller has checked its type: sharp decodes
 * more formats, such as SVG, which would be an unnecessary attack surface.
 * @throws PictureError
 */
export async function readPicture(file: Uint8Array): Promise<Picture> {
  try {
    const { data, info } = await sharp(file, { limitInputPixels: MAX_PIXELS })
      .autoOrient()
      .flatten({ background: "white" })
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { rgb: data, width: info.width, height: info.height };
  } catch (error) {
    throw new PictureError("The picture is damaged or cut short", { cause: error });
  }
}

/** The picture in another size, in pixels. */
export async function resized({ rgb, ...from }: Picture, width: number, height: number): Promise<Picture> {
  const data = await sharp(rgb, { raw: { ...from, channels: 3 } })
    .resize(width, height, { fit: "fill" })
    .raw()
    .toBuffer();
  return { rgb: data, width, height };
}
