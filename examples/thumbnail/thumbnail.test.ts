import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { after, before, suite, test } from "node:test";
import { startTestServer, type TestServer } from "servable/testing";
import sharp from "sharp";
import { ANY_PORT, startCli } from "../../test/helpers/cli.ts";
import { createFolder } from "../../test/helpers/folders.ts";
import Thumbnailer from "./app.ts";

/** The record of a picture in an answer. */
interface Stored {
  readonly url: string;
  readonly content_type: string;
  readonly file_name: string;
  readonly file_size: number;
  readonly width: number;
  readonly height: number;
}

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const stored = createFolder();

class Tested extends Thumbnailer {
  static override storage: typeof Thumbnailer.storage = { kind: "local", folder: stored };
}

/** A picture whose left half is red, and whose right half is blue. */
function halves(width: number, height: number) {
  const left = { create: { width: width / 2, height, channels: 3, background: "red" } } as const;
  return sharp({ create: { width, height, channels: 3, background: "blue" } }).composite([
    { input: left, gravity: "west" },
  ]);
}

const dataUri = (file: Uint8Array): string => `data:;base64,${Buffer.from(file).toString("base64")}`;

function formWith(fields: Readonly<Record<string, string>>, image?: Uint8Array<ArrayBuffer>): FormData {
  const form = new FormData();
  for (const [name, text] of Object.entries(fields)) form.set(name, text);
  if (image !== undefined) form.set("image", new Blob([image]), "photo.png");
  return form;
}

/** The colour of a pixel: red, green and blue. */
async function pixel(file: Uint8Array, left: number, top: number): Promise<number[]> {
  const area = { left, top, width: 1, height: 1 };
  return [...(await sharp(file).extract(area).removeAlpha().raw().toBuffer())];
}

suite("examples/thumbnail", () => {
  let served: TestServer<Tested>;
  let photo: Uint8Array<ArrayBuffer>;
  /** Another server, which sends the photo. */
  const source = createServer((_request, answer) => answer.end(photo));
  let sourceUrl: string;
  before(async () => {
    photo = new Uint8Array(await halves(800, 400).png().toBuffer());
    await once(source.listen(0, "127.0.0.1"), "listening");
    const host = `127.0.0.1:${(source.address() as AddressInfo).port}`;
    sourceUrl = `http://${host}/photo.png`;
    served = await startTestServer(new Tested(), { fileHosts: [host] });
  });
  after(async () => {
    await served.close();
    source.close();
  });

  const upload = (form: FormData): Promise<Response> =>
    fetch(`${served.url}/upload`, { method: "POST", body: form });

  /** The thumbnail of an answer, and the file that its URL leads to. */
  async function thumbnailIn(answer: Response): Promise<{ image: Stored; file: Uint8Array }> {
    assert.equal(answer.status, 200);
    const { image } = (await answer.json()) as { image: Stored };
    assert.ok(image.url.startsWith(`${served.url}/_files/`), image.url);
    const got = await fetch(image.url);
    assert.deepEqual([got.status, got.headers.get("content-type")], [200, image.content_type]);
    const file = new Uint8Array(await got.arrayBuffer());
    assert.equal(file.length, image.file_size);
    const { width, height } = await sharp(file).metadata();
    assert.deepEqual([width, height], [image.width, image.height]);
    return { image, file };
  }

  test("an upload gives the URL of its thumbnail, which the server sends", async () => {
    const { image, file } = await thumbnailIn(await upload(formWith({ width: "200" }, photo)));
    assert.deepEqual(
      [image.content_type, image.file_name, image.width, image.height],
      ["image/webp", "thumbnail.webp", 200, 100],
    );
    const [[red = 0], [, , blue = 0]] = [await pixel(file, 10, 50), await pixel(file, 190, 50)];
    assert.ok(red > 200 && blue > 200, "the left half is red, the right half blue");
  });

  test("a picture may also be a URL, an object with the URL, or a data URI", async () => {
    const sent: Record<string, Promise<Response>> = {
      url: served.post("/", { image: sourceUrl }),
      object: served.post("/", { image: { url: sourceUrl } }),
      "data URI": served.post("/", { image: dataUri(photo) }),
      "URL in a form": upload(formWith({ image: sourceUrl })),
    };
    for (const [form, answer] of Object.entries(sent)) {
      const { image } = await thumbnailIn(await answer);
      assert.deepEqual([image.width, image.height], [256, 128], form);
    }
  });

  test("a thumbnail lies inside of its size, or covers it, and a small picture is not enlarged", async () => {
    const small = dataUri(await halves(40, 20).png().toBuffer());
    const cases: [wish: object, width: number, height: number][] = [
      [{ image: dataUri(photo), width: 100, height: 100 }, 100, 50],
      [{ image: dataUri(photo), width: 100, height: 100, fit: "cover" }, 100, 100],
      [{ image: small, width: 100, height: 100 }, 40, 20],
      [{ image: small, width: 100, height: 100, fit: "cover" }, 100, 100],
    ];
    for (const [wish, width, height] of cases) {
      const { image } = await thumbnailIn(await served.post("/", wish));
      assert.deepEqual([image.width, image.height], [width, height], JSON.stringify([width, height]));
    }
  });

  test("each format is written, and what is transparent becomes white in a JPEG only", async () => {
    const clear = { create: { width: 8, height: 8, channels: 4, background: "#0000" } } as const;
    const image = dataUri(await sharp(clear).png().toBuffer());
    for (const format of ["webp", "jpeg", "png"]) {
      const { image: made, file } = await thumbnailIn(await served.post("/", { image, format }));
      assert.equal(made.content_type, `image/${format}`);
      assert.equal((await sharp(file).metadata()).hasAlpha, format !== "jpeg");
      if (format === "jpeg") assert.deepEqual(await pixel(file, 4, 4), [255, 255, 255]);
    }
  });

  test("a photograph is turned the right way up, and its notes are not copied", async () => {
    const sideways = await halves(80, 40)
      .withExif({ IFD0: { Copyright: "me" } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    assert.ok((await sharp(sideways).metadata()).exif);
    const { image, file } = await thumbnailIn(await served.post("/", { image: dataUri(sideways) }));
    assert.deepEqual([image.width, image.height], [40, 80]);
    assert.equal((await sharp(file).metadata()).exif, undefined);
    const [red = 0] = await pixel(file, 20, 5);
    assert.ok(red > 200, "the left half is on top");
  });

  test("a file that is not a picture, damaged or too large is rejected with the reason", async () => {
    const large = { width: 10_000, height: 5_001, channels: 3, background: "white" } as const;
    const cases: [image: string, type: string][] = [
      ["not a URL", "value_error"],
      [dataUri(Buffer.from("a text")), "image_load_error"],
      [
        dataUri(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')),
        "unsupported_image_format",
      ],
      [dataUri(photo.subarray(0, photo.length / 2)), "image_load_error"],
      [dataUri(await sharp({ create: large }).png().toBuffer()), "image_too_large"],
      ["http://127.0.0.1:1/photo.png", "file_download_error"],
    ];
    for (const [image, type] of cases) {
      for (const answer of [await served.post("/", { image }), await upload(formWith({ image }))]) {
        const { detail } = (await answer.json()) as { detail: { loc: string[]; type: string }[] };
        assert.deepEqual([answer.status, detail[0]?.loc, detail[0]?.type], [422, ["body", "image"], type]);
      }
    }
    const wide = await served.post("/", { image: dataUri(photo), width: 2001 });
    assert.equal(wide.status, 422);
  });

  test("npm start serves the app, and SIGTERM ends it with 0", async () => {
    const { scripts } = JSON.parse(readFileSync(`${FOLDER}/package.json`, "utf8")) as {
      scripts: { start: string };
    };
    const command = [process.execPath, ...scripts.start.split(" ").slice(1)];
    const app = startCli(ANY_PORT, FOLDER, { HOST: "127.0.0.1", TMPDIR: createFolder() }, command);
    const url = await app.listening();
    const body = formWith({ width: "64" }, photo);
    const answer = await fetch(`${url}/upload`, { method: "POST", body });
    const { image } = (await answer.json()) as { image: Stored };
    assert.deepEqual([answer.status, image.width], [200, 64]);
    const file = await (await fetch(image.url)).arrayBuffer();
    assert.equal((await sharp(file).metadata()).format, "webp");
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });
});
