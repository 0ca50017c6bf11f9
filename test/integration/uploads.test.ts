import assert from "node:assert/strict";
import { existsSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { App, endpoint, multipart, upload, UploadedFile, type BatchContext } from "servable";
import { startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { createFolder } from "../helpers/folders.ts";
import { formOf, storedFiles, untilStored } from "../helpers/uploads.ts";

const Photo = multipart({
  image: upload({ maxBytes: 1_000_000, minBytes: 2, contentTypes: ["image/png", "image/jpeg"] }),
  title: Type.String({ minLength: 2 }),
  steps: Type.Integer({ default: 3 }),
  tags: Type.Array(Type.Integer(), { default: [] }),
  size: Type.Optional(Type.Object({ width: Type.Number() })),
  flag: Type.Boolean({ default: false }),
  seed: Type.Union([Type.Integer(), Type.Null()], { default: null }),
  extra: Type.Optional(upload()),
  more: upload({ list: true, maxFiles: 2, optional: true }),
});
type Photo = Static<typeof Photo>;
const Log = multipart({ name: Type.String(), file: upload({ stream: true, maxBytes: 5_000_000 }) });
const One = multipart({ file: upload() });

class Gallery extends App {
  keep = "";

  @endpoint("/photo", { input: Photo })
  async photo({ image, extra, more, ...fields }: Photo): Promise<object> {
    assert.ok(image instanceof UploadedFile);
    let streamed = 0;
    for await (const chunk of image.stream()) streamed += (chunk as Buffer).length;
    assert.equal(statSync(image.path).mode & 0o777, 0o600);
    const { filename, contentType, size } = image;
    const texts = await Promise.all((more ?? []).map((file) => file.text()));
    return { ...fields, image: { filename, contentType, size, streamed }, extra: await extra?.text(), texts };
  }

  @endpoint("/stream", { input: Log })
  async stream({ name, file }: Static<typeof Log>): Promise<object> {
    return { name, filename: file.filename, size: (await file.bytes()).length };
  }

  @endpoint("/first", { input: Log })
  async first({ file }: Static<typeof Log>): Promise<number> {
    for await (const chunk of file.stream()) return (chunk as Buffer).length > 0 ? 1 : 0;
    return -1;
  }

  @endpoint("/keep", { input: One })
  move({ file }: Static<typeof One>): void {
    renameSync(file.path, this.keep);
  }

  @endpoint("/throw", { input: One })
  throw({ file }: Static<typeof One>): void {
    assert.ok(existsSync(file.path));
    throw new Error("no");
  }

  @endpoint("/batch", { input: One, batch: { maxSize: 4 } })
  async batch(inputs: Static<typeof One>[], _batch: BatchContext): Promise<string[]> {
    return Promise.all(inputs.map(({ file }) => file.text()));
  }

  @endpoint("/items", { input: One, stream: true })
  async *items({ file }: Static<typeof One>): AsyncGenerator<string> {
    yield await file.text();
    yield await file.text();
  }
}

const png = (text: string): Blob => new Blob([text], { type: "image/png" });

async function send(url: string, body: FormData): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(url, { method: "POST", body });
  return { status: answer.status, body: await answer.json() };
}

test("files are stored and fields are converted as their schemas say", async () => {
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Gallery(), { uploadFolder });
  const form = formOf(
    { title: "Ää", steps: "5", size: '{"width":1.5}', flag: "on", seed: "", unknown: "x" },
    { image: png("x".repeat(200_000)), extra: new Blob(["extra"]), other: new Blob(["dropped"]) },
  );
  for (const tag of ["1", "2"]) form.append("tags", tag);
  for (const text of ["a", "b"]) form.append("more", new Blob([text]), text);
  assert.deepEqual(await send(`${server.url}/photo`, form), {
    status: 200,
    body: {
      title: "Ää",
      steps: 5,
      tags: [1, 2],
      size: { width: 1.5 },
      flag: true,
      seed: null,
      image: { filename: "image.bin", contentType: "image/png", size: 200_000, streamed: 200_000 },
      extra: "extra",
      texts: ["a", "b"],
    },
  });
  await untilStored(uploadFolder, 0);
});

test("defaults are filled in, and optional files may be missing", async () => {
  await using server = await startTestServer(new Gallery(), { uploadFolder: createFolder() });
  const form = formOf({ title: "ab", steps: "" }, { image: png("xx") });
  form.append("extra", new Blob([]), ""); // a browser's form without a chosen file
  const { body } = await send(`${server.url}/photo`, form);
  assert.deepEqual(body, {
    title: "ab",
    steps: 3,
    tags: [],
    flag: false,
    seed: null,
    image: { filename: "image.bin", contentType: "image/png", size: 2, streamed: 2 },
    texts: [],
  });
});

test("all faults of a body are listed in the order of its schema", async () => {
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Gallery(), { uploadFolder });
  const form = formOf(
    { title: "a", steps: "2.5", size: "{", flag: "maybe" },
    { more: new Blob(["1"]), image: new Blob(["xx"], { type: "image/gif" }) },
  );
  form.append("title", "again");
  form.append("tags", "x");
  for (let count = 0; count < 5; count++) form.append("more", new Blob(["1"]), "x");
  const { status, body } = await send(`${server.url}/photo`, form);
  assert.equal(status, 422);
  const { detail } = body as { detail: { type: string; loc: unknown[]; msg: string }[] };
  assert.deepEqual(
    detail.map(({ type, loc }) => [type, ...loc.slice(1)]),
    [
      ["content_type", "image"],
      ["value_error", "title"],
      ["int_parsing", "steps"],
      ["int_parsing", "tags", 0],
      ["json_invalid", "size", 1],
      ["bool_parsing", "flag"],
      ["too_long", "more"],
    ],
  );
  assert.match(detail[0]?.msg ?? "", /"image\/gif", send it as image\/png or image\/jpeg$/);
  await untilStored(uploadFolder, 0);
  const missing = await send(`${server.url}/photo`, formOf({ title: "ab" }));
  assert.deepEqual((missing.body as { detail: unknown }).detail, [
    { type: "missing", loc: ["body", "image"], msg: "Field required", input: null },
  ]);
  const short = await send(`${server.url}/photo`, formOf({ title: "ab" }, { image: png("x") }));
  assert.equal((short.body as { detail: { type: string }[] }).detail[0]?.type, "bytes_too_short");
});

test("a file that is too large is refused by its name, and removed", async () => {
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Gallery(), { uploadFolder });
  const form = formOf({ title: "ab" }, { image: png("x".repeat(1_000_001)) });
  assert.deepEqual(await send(`${server.url}/photo`, form), {
    status: 413,
    body: { detail: 'Request body is too large: the file "image" may have at most 1000000 bytes' },
  });
  await untilStored(uploadFolder, 0);
});

test("a file as a stream is read while it arrives, and nothing is stored", async () => {
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Gallery(), { uploadFolder });
  const big = formOf({ name: "n" }, { file: new Blob(["x".repeat(3_000_000)]) });
  assert.deepEqual((await send(`${server.url}/stream`, big)).body, {
    name: "n",
    filename: "file.bin",
    size: 3_000_000,
  });
  assert.deepEqual(storedFiles(uploadFolder), []);
  assert.equal((await send(`${server.url}/first`, big)).body, 1);
  const tooBig = formOf({ name: "n" }, { file: new Blob(["x".repeat(5_000_001)]) });
  assert.equal((await send(`${server.url}/stream`, tooBig)).status, 413);
});

test("a field after a file that is read as a stream is refused", async () => {
  await using server = await startTestServer(new Gallery());
  const late = formOf({}, { file: new Blob(["x"]) });
  late.append("name", "n");
  assert.equal((await send(`${server.url}/stream`, late)).status, 422);
  const twice = formOf({ name: "n" }, { file: new Blob(["x"]) });
  twice.append("name", "n");
  const { status, body } = await send(`${server.url}/stream`, twice);
  assert.equal(status, 422);
  assert.match(JSON.stringify(body), /should come before file/);
});

test("the files of a call are removed after a result, an error, a batch and a stream; a moved file is kept", async () => {
  const uploadFolder = createFolder();
  const app = new Gallery();
  app.keep = join(createFolder(), "kept");
  await using server = await startTestServer(app, { uploadFolder });
  const form = (): FormData => formOf({}, { file: new Blob(["text"]) });
  assert.equal((await send(`${server.url}/throw`, form())).status, 500);
  const batch = await Promise.all([1, 2, 3].map(() => send(`${server.url}/batch`, form())));
  assert.deepEqual(
    batch.map(({ body }) => body),
    ["text", "text", "text"],
  );
  const items = await fetch(`${server.url}/items`, { method: "POST", body: form() });
  assert.equal(await items.text(), 'data: "text"\n\ndata: "text"\n\n');
  assert.equal((await send(`${server.url}/keep`, form())).status, 200);
  assert.ok(existsSync(app.keep));
  await untilStored(uploadFolder, 0);
});

test("a server's folder is removed when it closes", async () => {
  const uploadFolder = createFolder();
  const server = await startTestServer(new Gallery(), { uploadFolder });
  await send(`${server.url}/throw`, formOf({}, { file: new Blob(["x"]) }));
  await server.close();
  const [parent = ""] = readdirSync(uploadFolder);
  assert.deepEqual(readdirSync(join(uploadFolder, parent)), []);
});

test("the document describes files, fields and their content types", async () => {
  const { paths, components } = await new Gallery().openapi();
  const operation = paths["/photo"]?.["post"] as { requestBody: object } | undefined;
  assert.deepEqual(operation?.requestBody, {
    required: true,
    content: {
      "multipart/form-data": {
        schema: { $ref: "#/components/schemas/PhotoInput" },
        encoding: { image: { contentType: "image/png, image/jpeg" } },
      },
    },
  });
  const { properties, required } = components.schemas["PhotoInput"] as {
    properties: Record<string, object>;
    required: unknown;
  };
  assert.deepEqual(required, ["image", "title"]);
  assert.deepEqual(properties["extra"], {
    type: "string",
    format: "binary",
    contentMediaType: "application/octet-stream",
    title: "Extra",
  });
  assert.doesNotMatch(JSON.stringify(components), /x-servable/);
});
