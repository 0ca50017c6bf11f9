import sharp from "sharp";

/** Pictures with more pixels than this are refused: a photograph of 25 megapixels takes 75 MB once unpacked. */
export const MAX_PIXELS = 25_000_000;

/** Thrown for bytes that can't be read as a picture; the message says what is wrong. */
export class PictureError extends Error {
  override name = "PictureError";
}

/** An unpacked picture: three bytes a pixel, red, green and blue, row by row. */
export interface Picture {
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
}

// A worker reads one picture at a time, and none twice.
sharp.concurrency(1);
sharp.cache(false);

/**
 * Unpacks a PNG, JPEG or WebP file, the right way up as its EXIF data says, transparent parts on white.
 * @throws PictureError
 */
export async function readPicture(file: Uint8Array): Promise<Picture> {
  // sharp reads much more, SVG for one, which needs not be open to anybody's bytes.
  if (!isKnownFormat(file)) throw new PictureError("This is no PNG, JPEG or WebP picture");
  await assertSize(file);
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

async function assertSize(file: Uint8Array): Promise<void> {
  // Reads the file's head alone; without a limit, so that the answer can say how large the picture is.
  const head = await sharp(file, { limitInputPixels: false })
    .metadata()
    .catch((error: unknown) => {
      throw new PictureError("The picture is damaged or cut short", { cause: error });
    });
  const { width, height } = head;
  if (width * height <= MAX_PIXELS) return;
  const limit = `${MAX_PIXELS / 1e6} million pixels`;
  throw new PictureError(`The picture has ${width} × ${height} pixels; at most ${limit} are read`);
}

function isKnownFormat(file: Uint8Array): boolean {
  const head = Buffer.from(file.subarray(0, 12)).toString("latin1");
  return (
    head.startsWith("\x89PNG\r\n\x1a\n") || head.startsWith("\xff\xd8\xff") || /^RIFF.{4}WEBP$/s.test(head)
  );
}
