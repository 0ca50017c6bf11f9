import { createRequire } from "node:module";
import { lateImport } from "../late-import.ts";
import { essenceOf } from "../routes/content-types.ts";

/** The registry of content types. The package has no types. */
const mime = createRequire(import.meta.url)("mime") as {
  getType(path: string): string | null;
  getExtension(type: string): string | null;
};

const fileTypes = lateImport(() => import("file-type"));
const imageSizes = lateImport(() => import("image-size"));

/** The first bytes of a file are enough for its type. */
const TYPE_BYTES = 4_100;
/** The first bytes in which a picture's size is looked for. Some pictures begin with long notes of a camera. */
export const HEAD_BYTES = 512 * 1024;

/** The size of a picture, in pixels, as it is stored: without the rotation that its notes may ask for. */
interface Dimensions {
  readonly width: number;
  readonly height: number;
}

/** The facts that the bytes of a file show. */
export interface Inspection {
  /** From the first bytes, not from what anyone states. Types of text have no such bytes: see {@link inspect}. */
  readonly contentType: string;
  /** Of a picture, if its format is known. */
  readonly dimensions: Dimensions | undefined;
}

/**
 * Looks into the first bytes of a file.
 * @param stated the type that somebody states. It counts only if the bytes show no type, and the stated one is a text
 */
export async function inspect(
  head: Uint8Array,
  stated: string | undefined,
  isWhole: boolean,
): Promise<Inspection> {
  const [{ fileTypeFromBuffer }, { imageSize }] = await Promise.all([fileTypes(), imageSizes()]);
  const found = await fileTypeFromBuffer(head.subarray(0, TYPE_BYTES)).catch(() => undefined);
  let dimensions: Dimensions | undefined;
  let imageType: string | undefined;
  if (found === undefined || found.mime.startsWith("image/") || found.mime === "application/xml") {
    try {
      const { width, height, type } = imageSize(isWhole ? alone(head) : head);
      if (width > 0 && height > 0) dimensions = { width, height };
      imageType = type;
    } catch {
      // not a picture, or one whose size is not in its first bytes
    }
  }
  if (imageType === "svg") return { contentType: "image/svg+xml", dimensions };
  if (found !== undefined) return { contentType: found.mime, dimensions };
  const essence = essenceOf(stated);
  return { contentType: isTextual(essence) && isText(head, isWhole) ? essence : BINARY, dimensions };
}

/**
 * The same bytes in memory of their own: the reader of sizes does not stop at the end of a view, and would read the bytes
 * of others behind a picture that is cut short.
 */
function alone(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset + bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
}

/** The type of files about which nothing is known. */
const BINARY = "application/octet-stream";

/** Types of texts, which have no first bytes of their own. */
function isTextual(type: string): boolean {
  return (
    (type.startsWith("text/") && type !== "text/html") ||
    /^application\/(?:json|xml|x-ndjson|yaml|[\w.-]+\+(?:json|xml))$/.test(type)
  );
}

function isText(head: Uint8Array, isWhole: boolean): boolean {
  if (head.includes(0)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: !isWhole });
    return true;
  } catch {
    return false;
  }
}

/** The usual extensions of types for which the registry names an unusual one, or none. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  "image/jpeg": ".jpg",
  "image/jpg": ".jpg",
  "audio/mpeg": ".mp3",
  "audio/mp3": ".mp3",
  "audio/ogg": ".ogg",
  "audio/mp4": ".m4a",
  "audio/x-m4a": ".m4a",
  "audio/wav": ".wav",
  "audio/x-wav": ".wav",
  "audio/vnd.wave": ".wav",
  "audio/x-flac": ".flac",
  "video/quicktime": ".mov",
  "text/plain": ".txt",
};

/** The content type of a file's name; undefined for an unknown extension. */
export function typeOfName(name: string | undefined): string | undefined {
  return name === undefined ? undefined : (mime.getType(name) ?? undefined);
}

/** The extension of a content type, with its dot; `.bin` for an unknown type. */
export function extensionOf(contentType: string): string {
  const essence = essenceOf(contentType);
  const known = EXTENSIONS[essence] ?? mime.getExtension(essence);
  if (known === null) return ".bin";
  return known.startsWith(".") ? known : `.${known}`;
}
