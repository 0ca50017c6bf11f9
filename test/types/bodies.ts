/** Bodies that are not JSON, accepted and refused. Nothing here runs: the type check is the test. */
import type { Readable } from "node:stream";
import { Type, type Static } from "typebox";
import {
  App,
  bytes,
  endpoint,
  form,
  multipart,
  upload,
  type UploadedFile,
  type UploadStream,
} from "../../src/index.ts";

const Photo = multipart({
  image: upload({ maxBytes: 1 }),
  more: upload({ list: true }),
  extra: upload({ optional: true }),
  title: Type.String(),
  steps: Type.Optional(Type.Integer()),
});
interface ExpectedPhoto {
  image: UploadedFile;
  more: UploadedFile[];
  extra?: UploadedFile;
  title: string;
  steps?: number;
}
const Log = multipart({ file: upload({ stream: true }) });

export class Bodies extends App {
  @endpoint("/photo", { input: Photo })
  photo(_input: ExpectedPhoto): void {}

  @endpoint("/static", { input: Photo })
  static_({ image, title }: Static<typeof Photo>): string {
    return image.filename + title;
  }

  @endpoint("/log", { input: Log })
  log(_input: { file: UploadStream }): void {}

  @endpoint("/bytes", { input: bytes({ contentType: "image/png" }) })
  bytes(_input: Uint8Array): void {}

  @endpoint("/stream", { input: bytes({ stream: true }) })
  stream(_input: Readable): void {}

  @endpoint("/form", { input: form(Type.Object({ age: Type.Integer() })) })
  form(_input: { age: number }): void {}

  // @ts-expect-error an optional file may be missing
  @endpoint("/optional", { input: Photo })
  optional(_input: { extra: UploadedFile }): void {}

  // @ts-expect-error a list of files
  @endpoint("/list", { input: Photo })
  list(_input: { more: UploadedFile }): void {}

  // @ts-expect-error a stream is not stored
  @endpoint("/stored", { input: Log })
  stored(_input: { file: UploadedFile }): void {}

  // @ts-expect-error a stream is not bytes
  @endpoint("/not-bytes", { input: bytes({ stream: true }) })
  notBytes(_input: Uint8Array): void {}
}

// @ts-expect-error an unknown option
upload({ maxByte: 1 });
