import { App, AppException, endpoint, FieldException, type RequestContext } from "servable";
import { Type, type Static } from "typebox";
import { MAX_PIXELS, PictureError, readPicture, type Picture } from "./picture.ts";
import { TextReader, type TextLine } from "./text-reader.ts";

/** The largest file, in bytes. */
const MAX_BYTES = 3 * 1024 * 1024;

const Scan = Type.Object(
  {
    picture: Type.String({
      format: "byte",
      maxLength: Math.ceil(MAX_BYTES / 3) * 4,
      description: `A PNG, JPEG or WebP file as base64: at most 3 MiB and ${MAX_PIXELS / 1e6} million pixels.`,
    }),
  },
  { $id: "Scan" },
);
type Scan = Static<typeof Scan>;

const Line = Type.Object(
  {
    text: Type.String(),
    confidence: Type.Number({ minimum: 0, maximum: 1, description: "The mean over the line's characters." }),
    box: Type.Array(Type.Array(Type.Integer(), { minItems: 2, maxItems: 2 }), {
      minItems: 4,
      maxItems: 4,
      description:
        "The corners as [x, y] in pixels, clockwise; the first is the top left as the text is read, so the box of a line that is upside down begins at its bottom right.",
    }),
  },
  { $id: "Line" },
);
type Line = Static<typeof Line>;

/** The text of a picture. */
export const Text = Type.Object(
  {
    lines: Type.Array(Line, { description: "In reading order." }),
    width: Type.Integer({ description: "Of the picture, in pixels, rotated by its EXIF data." }),
    height: Type.Integer(),
  },
  { $id: "Text" },
);
export type Text = Static<typeof Text>;

/** Reads the text in pictures. */
export default class PictureReader extends App {
  static override version = "1.0.0";

  #reader: TextReader | undefined;

  override async setup(): Promise<void> {
    this.#reader = await TextReader.load();
  }

  override async teardown(): Promise<void> {
    await this.#reader?.release();
    this.#reader = undefined;
  }

  @endpoint("/", {
    input: Scan,
    output: Text,
    workers: 2,
    maxQueue: 16,
    timeoutMs: 20_000,
    idempotent: true,
    summary: "Read the text in a picture",
  })
  async read({ picture: file }: Scan, ctx: RequestContext): Promise<Text> {
    if (this.#reader === undefined) throw new AppException("The models are not loaded", 503);
    const picture = await unpacked(file);
    const lines = await this.#reader.read(picture, ctx.signal);
    const { width, height } = picture;
    return { lines: lines.map((line) => shown(line, picture)), width, height };
  }
}

async function unpacked(file: string): Promise<Picture> {
  try {
    return await readPicture(Buffer.from(file, "base64"));
  } catch (error) {
    if (!(error instanceof PictureError)) throw error;
    throw new FieldException("picture", error.message, { type: "picture_invalid", cause: error });
  }
}

function shown({ text, confidence, quad }: TextLine, { width, height }: Picture): Line {
  const inside = (value: number, end: number): number => Math.round(Math.min(Math.max(value, 0), end));
  return { text, confidence, box: quad.map(([x, y]) => [inside(x, width), inside(y, height)]) };
}
