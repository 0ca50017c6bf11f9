import { App, endpoint, FieldException, multipart } from "servable";
import { Image } from "servable/media";
import sharp from "sharp";
import { Type, type Static } from "typebox";

const fields = {
  image: Image({
    maxBytes: 20 * 1024 * 1024,
    maxPixels: 50_000_000,
    contentTypes: ["image/png", "image/jpeg", "image/webp"],
  }),
  width: Type.Integer({ minimum: 1, maximum: 4000, default: 512, description: "At most, in pixels." }),
  greyscale: Type.Boolean({ default: false, description: "Whether to drop the colours." }),
};

const Edit = Type.Object(fields, { $id: "Edit" });
type Edit = Static<typeof Edit>;

const Form = multipart(fields, { $id: "Form" });
type Form = Static<typeof Form>;

const Edited = Type.Object({ image: Image() }, { $id: "Edited" });
type Edited = Static<typeof Edited>;

/** Takes a picture, and gives a smaller one. */
export default class PictureEditor extends App {
  static override version = "0.1.0";

  /** The picture is a URL, a data URI, or an object with the URL. It is fetched by `bytes()`. */
  @endpoint("/", { input: Edit, output: Edited, maxConcurrency: 4, summary: "Edit a picture" })
  async edit({ image, width, greyscale }: Edit): Promise<Edited> {
    const picture = sharp(await image.bytes())
      .autoOrient()
      .resize({ width, withoutEnlargement: true });
    if (greyscale) picture.greyscale();
    const edited = await picture
      .webp()
      .toBuffer()
      .catch((cause: unknown) => {
        throw new FieldException("image", "The picture is damaged", { type: "image_load_error", cause });
      });
    return { image: Image.fromBytes(edited, { fileName: "edited.webp" }) };
  }

  /** The same for HTML forms: the part `image` is a file, or a URL. */
  @endpoint("/upload", {
    input: Form,
    output: Edited,
    maxConcurrency: 4,
    summary: "Edit an uploaded picture",
  })
  upload(form: Form): Promise<Edited> {
    return this.edit(form);
  }
}
