import { App, endpoint, FieldException, multipart } from "servable";
import { Image } from "servable/media";
import sharp from "sharp";
import { Type, type Static } from "typebox";

/** A photograph of 50 megapixels takes 150 MB when decoded. */
const MAX_PIXELS = 50_000_000;

const Side = (description: string) => Type.Integer({ minimum: 1, maximum: 2000, default: 256, description });

const fields = {
  image: Image({
    maxBytes: 20 * 1024 * 1024,
    maxPixels: MAX_PIXELS,
    // sharp decodes more formats, such as SVG, which would be an unnecessary attack surface.
    contentTypes: ["image/png", "image/jpeg", "image/webp", "image/gif"],
  }),
  width: Side("In pixels."),
  height: Side("In pixels."),
  fit: Type.Union([Type.Literal("inside"), Type.Literal("cover")], {
    default: "inside",
    description: "Whether the thumbnail is at most this large, or exactly, and only its middle is shown.",
  }),
  format: Type.Union([Type.Literal("webp"), Type.Literal("jpeg"), Type.Literal("png")], { default: "webp" }),
};

const Wish = Type.Object(fields, { $id: "Wish" });
type Wish = Static<typeof Wish>;

const Form = multipart(fields, { $id: "Form" });

const Thumbnail = Type.Object({ image: Image() }, { $id: "Thumbnail" });
type Thumbnail = Static<typeof Thumbnail>;

/** The options of both endpoints. */
const RESIZING = { output: Thumbnail, maxConcurrency: 4, maxQueue: 32, timeoutMs: 30_000 } as const;

/** Makes small pictures of large ones. */
export default class Thumbnailer extends App {
  static override version = "1.0.0";
  // The server sends the thumbnails itself, for an hour.
  static override storage: typeof App.storage = "local";

  @endpoint("/", { input: Wish, summary: "Resize a picture", ...RESIZING })
  async resize({ image, width, height, fit, format }: Wish): Promise<Thumbnail> {
    const picture = sharp(await image.bytes(), { limitInputPixels: MAX_PIXELS })
      .autoOrient()
      .resize(width, height, { fit, withoutEnlargement: fit === "inside" });
    if (format === "jpeg") picture.flatten({ background: "white" });
    try {
      const { data, info } = await picture.toFormat(format).toBuffer({ resolveWithObject: true });
      const fileName = `thumbnail.${format}`;
      return { image: Image.fromBytes(data, { fileName, width: info.width, height: info.height }) };
    } catch (error) {
      // The beginning of the file is a picture: servable has checked it.
      const msg = "The picture is damaged or cut short";
      throw new FieldException("image", msg, { type: "image_load_error", cause: error });
    }
  }

  @endpoint("/upload", { input: Form, summary: "Resize an uploaded picture", ...RESIZING })
  upload(form: Static<typeof Form>): Promise<Thumbnail> {
    return this.resize(form);
  }
}
