// A servable that takes pictures, and returns one. Its arguments are a storage and the address of file-host.ts.
import { App, endpoint, multipart } from "servable";
import { Image } from "servable/media";
import { Type, type Static } from "typebox";
import { announce } from "./announcement.ts";
import { PICTURE, shrink, Size, STORED } from "./thumbnail.ts";

const [storage = "data", host = ""] = process.argv.slice(2);

const Picture = Type.Object({ image: Image() });
const Upload = multipart({ image: Image() });

/** Makes thumbnails. */
export class Thumbnails extends App {
  static override fileHosts = [new URL(host).host];
  static override storage = storageOf(storage);

  @endpoint("/shrink", { input: Picture, output: Size })
  async shrink({ image }: Static<typeof Picture>): Promise<Static<typeof Size>> {
    return shrink(await image.bytes());
  }

  @endpoint("/shrink-upload", { input: Upload, output: Size })
  async shrinkUpload({ image }: Static<typeof Upload>): Promise<Static<typeof Size>> {
    return shrink(await image.bytes());
  }

  @endpoint("/draw", { output: Picture })
  async draw(): Promise<Static<typeof Picture>> {
    await shrink(PICTURE);
    return { image: Image.fromBytes(PICTURE) };
  }
}

function storageOf(kind: string): NonNullable<typeof App.storage> {
  if (kind === "local") return { kind, folder: STORED };
  if (kind === "s3") return { kind, endpoint: host, bucket: "pictures" };
  return kind === "fal" ? "fal" : "data";
}

await new Thumbnails().serve({
  host: "127.0.0.1",
  port: 0,
  metricsPort: 0,
  onListening: ({ url }) => announce(url),
});
