import { App, AppException, endpoint, FieldException, multipart, type RequestContext } from "servable";
import { Image } from "servable/media";
import { Type, type Static } from "typebox";
import { MAX_PIXELS, PictureError, readPicture, type Picture } from "./picture.ts";
import { TextReader, type TextLine } from "./text-reader.ts";

const PictureFile = Image({
  maxBytes: 10 * 1024 * 1024,
  maxPixels: MAX_PIXELS,
  contentTypes: ["image/png", "image/jpeg", "image/webp"],
  description: `A PNG, JPEG or WebP picture: at most 10 MiB and ${MAX_PIXELS / 1e6} million pixels.`,
});

const Scan = Type.Object({ picture: PictureFile }, { $id: "Scan" });
type Scan = Static<typeof Scan>;

const Form = multipart({ picture: PictureFile }, { $id: "Form" });

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

/** The options of both endpoints, which share the workers of the class. */
const READING = { output: Text, workers: 2, maxQueue: 16, timeoutMs: 20_000, idempotent: true } as const;

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

  @endpoint("/", { input: Scan, summary: "Read the text in a picture", ...READING })
  async read({ picture: image }: Scan, ctx: RequestContext): Promise<Text> {
    if (this.#reader === undefined) throw new AppException("The models are not loaded", 503);
    const picture = await decoded(image);
    const lines = await this.#reader.read(picture, ctx.signal);
    const { width, height } = picture;
    return { lines: lines.map((line) => shown(line, picture)), width, height };
  }

  @endpoint("/upload", { input: Form, summary: "Read the text in an uploaded picture", ...READING })
  upload(form: Static<typeof Form>, ctx: RequestContext): Promise<Text> {
    return this.read(form, ctx);
  }
}

/** The file is one of the accepted types, as its first bytes show. The rest of it may still be damaged. */
async function decoded(image: Image): Promise<Picture> {
  try {
    return await readPicture(await image.bytes());
  } catch (error) {
    if (!(error instanceof PictureError)) throw error;
    throw new FieldException("picture", error.message, { type: "image_load_error", cause: error });
  }
}

function shown({ text, confidence, quad }: TextLine, { width, height }: Picture): Line {
  const inside = (value: number, end: number): number => Math.round(Math.min(Math.max(value, 0), end));
  return { text, confidence, box: quad.map(([x, y]) => [inside(x, width), inside(y, height)]) };
}
