import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { startTestServer } from "servable/testing";
import sharp, { type Sharp } from "sharp";
import PictureEditor from "./app.ts";

/** The pictures of answers are data URIs here, wherever they are stored otherwise. */
class Tested extends PictureEditor {
  static override storage: typeof PictureEditor.storage = "data";
}

const server = await startTestServer(new Tested());
after(() => server.close());
const photo = await readFile(new URL("photo.jpg", import.meta.url));

/** The picture of an answer, as sharp sees it. */
async function pictureIn(answer: Response): Promise<Sharp> {
  assert.equal(answer.status, 200);
  const { image } = (await answer.json()) as { image: { url: string; content_type: string } };
  assert.equal(image.content_type, "image/webp");
  return sharp(await (await fetch(image.url)).arrayBuffer());
}

test("an uploaded picture becomes smaller", async () => {
  const form = new FormData();
  form.set("image", new Blob([photo]), "photo.jpg");
  form.set("width", "100");
  const answer = await fetch(`${server.url}/upload`, { method: "POST", body: form });
  const { width, height } = await (await pictureIn(answer)).metadata();
  assert.deepEqual([width, height], [100, 75]);
});

test("a picture may also be a data URI, and lose its colours", async () => {
  const image = `data:image/jpeg;base64,${photo.toString("base64")}`;
  const picture = await pictureIn(await server.post("/", { image, greyscale: true }));
  const means = (await picture.stats()).channels.map(({ mean }) => mean);
  assert.ok(Math.max(...means) - Math.min(...means) < 1, `red, green and blue are alike: ${means.join()}`);
});

test("a file that is not a picture is refused, and the answer says why", async () => {
  const answer = await server.post("/", { image: "data:text/plain,hello" });
  assert.equal(answer.status, 422);
  const { detail } = (await answer.json()) as { detail: { type: string; loc: string[] }[] };
  assert.deepEqual([detail[0]?.type, detail[0]?.loc], ["image_load_error", ["body", "image"]]);
});
