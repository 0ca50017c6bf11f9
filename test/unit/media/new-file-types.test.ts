import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { Audio, CompressedFile, File, Image, Video } from "servable/media";

const MAKERS = { Audio, CompressedFile, File, Image, Video };
const REFUSED = [
  "",
  "png",
  "image/",
  "image/png\r\nx-evil: 1",
  "image/png; a=\n",
  "image /png",
  "ü/png",
  "a/b/c",
];
const ACCEPTED = ["image/png", "text/plain; charset=utf-8", "application/vnd.api+json", "image/svg+xml;a=b"];

for (const [name, maker] of Object.entries(MAKERS)) {
  const creations = {
    fromBytes: (contentType: string) => maker.fromBytes(new Uint8Array(1), { contentType }),
    fromPath: (contentType: string) => maker.fromPath("a.bin", { contentType }),
    fromStream: (contentType: string) => maker.fromStream(Readable.from([]), { contentType }),
    fromUrl: (contentType: string) => maker.fromUrl("https://example.com/a", { contentType }),
  };
  test(`${name} refuses a content type that is none, and takes others, however it is created`, () => {
    for (const [way, create] of Object.entries(creations)) {
      for (const type of REFUSED) {
        assert.throws(
          () => create(type),
          /contentType must be a type such as/,
          `${way} ${JSON.stringify(type)}`,
        );
      }
      for (const type of ACCEPTED) create(type);
    }
  });
}
