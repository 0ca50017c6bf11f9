import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { App, endpoint, multipart, realtime, type RequestContext } from "servable";
import { File, Image, type FileRecord, type ImageRecord } from "servable/media";
import { connectTestSocket, startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { WebSocket } from "ws";
import { systemClock } from "../../src/dispatch/clock.ts";
import { WorkerPool } from "../../src/workers/pool.ts";
import { PooledMediaApp } from "../fixtures/pooled-media-app.ts";
import { ReservingApp } from "../fixtures/reserving-app.ts";
import { captureLogs } from "../helpers/captured-logs.ts";
import { createFolder } from "../helpers/folders.ts";
import { png, pngUri } from "../helpers/pictures.ts";
import { startRawServer } from "../helpers/raw-server.ts";
import { silentLogger } from "../helpers/silent-logger.ts";
import { formOf, untilStored } from "../helpers/uploads.ts";

const folder = createFolder();
process.env["MEDIA_FOLDER"] = folder;

const picture = (width: number, height: number): Blob =>
  new Blob([png(width, height)], { type: "image/jpeg" });

test("files cross to a worker and back, and leave nothing behind", async () => {
  const uploadFolder = createFolder();
  const source = await startRawServer((socket) => {
    const bytes = Buffer.alloc(2_000_000, "s");
    socket.end(Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n"), bytes]));
  });
  await using server = await startTestServer(new PooledMediaApp(), {
    uploadFolder,
    fileHosts: [source.host],
  });
  const file = `${source.origin}/s.txt`;
  const answer = await server.post("/files", { image: pngUri(7, 3), file });
  assert.equal(answer.status, 200);
  const { image, more, pid } = (await answer.json()) as {
    image: ImageRecord;
    more: ImageRecord[];
    pid: number;
  };
  assert.notEqual(pid, process.pid);
  assert.deepEqual([image.url, image.width, image.height], [pngUri(14, 1), 14, 1]);
  assert.equal(more[0]?.url, `data:text/plain;base64,${Buffer.from("width 7").toString("base64")}`);
  assert.deepEqual([more[1]?.file_size, more[1]?.file_name], [3_000_000, "large.txt"]);
  assert.equal(more[2]?.url, file);
  assert.equal(source.requests.length, 1);
  await untilStored(uploadFolder, 0);
  assert.deepEqual(readdirSync(folder), ["out.txt"]);
  const refused = await server.post("/files", { image: "data:,no" });
  const { detail } = (await refused.json()) as { detail: { type: string; loc: unknown }[] };
  assert.deepEqual(
    [refused.status, detail[0]?.type, detail[0]?.loc],
    [422, "image_load_error", ["body", "image"]],
  );
  const form = await fetch(`${server.url}/form`, {
    method: "POST",
    body: formOf({ title: "a" }, { image: picture(5, 5) }),
  });
  assert.deepEqual(await form.json(), { title: "a", width: 5, name: "image.bin" });
});

test("a bad file in a batch fails its own request only, also in a worker", async () => {
  await using server = await startTestServer(new PooledMediaApp());
  const answers = await Promise.all(
    [pngUri(2, 2), "data:,no", pngUri(3, 3)].map(async (image) => {
      const answer = await server.post("/batch", { image });
      const body = (await answer.json()) as { image?: ImageRecord };
      return [answer.status, body.image?.width, body.image?.height];
    }),
  );
  assert.deepEqual(answers, [
    [200, 2, 1],
    [422, undefined, undefined],
    [200, 3, 1],
  ]);
});

test("a stream in a worker gives files", async () => {
  await using server = await startTestServer(new PooledMediaApp());
  const text = await (await server.post("/stream", { image: pngUri(4, 4) })).text();
  const items = [...text.matchAll(/^data: (.*)$/gm)].map(
    ([, data = ""]) => JSON.parse(data) as { image: ImageRecord },
  );
  assert.deepEqual(
    items.map(({ image }) => [image.url, image.width]),
    [
      [pngUri(5, 1), 5],
      [pngUri(4, 4), null],
    ],
  );
});

test("a worker reserves URLs, and stores their files after the answers that name them", async () => {
  const contents = createFolder({ "a.txt": "content of a path" });
  const storage = { kind: "local", folder: createFolder() } as const;
  await using server = await startTestServer(new ReservingApp(), { storage });
  const post = async (
    path: string,
    body: object,
  ): Promise<[status: number, file: FileRecord, pid: number]> => {
    const answer = await server.post(path, body);
    const { file, pid } = ((await answer.json()) ?? {}) as { file: FileRecord; pid: number };
    return [answer.status, file, pid];
  };
  const textAt = async (url: string): Promise<[status: number, text: string]> => {
    const answer = await fetch(url);
    return [answer.status, await answer.text()];
  };

  const [status, { url }, pid] = await post("/reserve", { name: "bytes.txt" });
  assert.equal(status, 200);
  assert.notEqual(pid, process.pid);
  assert.ok(url.startsWith(`${server.url}/_files/`) && url.endsWith("/bytes.txt"), url);
  assert.equal((await textAt(url))[0], 404);
  const file = { url, content_type: "text/plain", file_name: "bytes.txt", file_size: 18 };
  assert.deepEqual(await post("/bytes", { name: "bytes.txt" }), [200, file, pid]);
  assert.deepEqual(await textAt(url), [200, "bytes of bytes.txt"]);
  assert.equal((await post("/bytes", { name: "bytes.txt" }))[0], 500, "it is complete already");

  // Each request of a batch reserves its own.
  const names = ["one.txt", "two.txt", "three.txt"];
  const batch = await Promise.all(names.map((name) => post("/batch", { name })));
  const urls = batch.map(([, each]) => each.url);
  assert.equal(new Set(urls).size, names.length);
  await post("/path", { name: "two.txt", path: join(contents, "a.txt") });
  await server.post("/abort", { name: "three.txt" });
  assert.deepEqual(await textAt(urls[1] as string), [200, "content of a path"]);
  assert.deepEqual([(await textAt(urls[0] as string))[0], (await textAt(urls[2] as string))[0]], [404, 404]);
});

test("a worker learns that a storage can't reserve URLs", async () => {
  const logs = captureLogs();
  await using server = await startTestServer(new ReservingApp(), { storage: "data", logger: logs.logger });
  const answer = await server.post("/reserve", { name: "a" });
  assert.equal(answer.status, 500);
  assert.match(JSON.stringify(logs.lines), /The storage .*data.* can't reserve a URL/);
});

test("a URL that a worker has reserved is given up when it ends", async () => {
  const given: string[] = [];
  const moduleUrl = new URL("../fixtures/reserving-app.ts", import.meta.url).href;
  const pool = new WorkerPool({
    ...{ moduleUrl, className: "ReservingApp", count: 1, clock: systemClock, log: silentLogger() },
    reserve: async () => ({
      ...{ url: "https://files/a", contentType: "text/plain", fileName: "a" },
      complete: () => Promise.reject(new Error("not called")),
      abort: async () => void given.push("a"),
    }),
  });
  await pool.start();
  const contexts = [{ requestId: "r", headers: {}, query: {}, params: {} } as RequestContext];
  const result = await pool.run({
    ...{ route: "POST /reserve", inputs: [{ name: "a" }], batched: false, contexts },
    onAbort: () => {},
  });
  assert.match(JSON.stringify(result), /https:\/\/files\/a/);
  assert.deepEqual(given, []);
  await pool.stop();
  assert.deepEqual(given, ["a"]);
});

const Parts = multipart({
  image: Image({ maxBytes: 500, contentTypes: "image/png" }),
  more: Type.Optional(Type.Array(Image(), { maxItems: 3 })),
  file: Type.Optional(File()),
  title: Type.String(),
});

class Forms extends App {
  @endpoint("/", { input: Parts })
  async run({ image, more, file, title }: Static<typeof Parts>): Promise<object> {
    const widths = await Promise.all((more ?? []).map((each) => each.width));
    const { stated, url } = image;
    return {
      title,
      stated,
      url,
      type: await image.contentType,
      width: await image.width,
      widths,
      file: await file?.text(),
    };
  }
}

test("a part of a multipart body is a file or the URL of one", async () => {
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Forms(), { uploadFolder });
  const post = async (form: FormData): Promise<[number, unknown]> => {
    const answer = await fetch(server.url, { method: "POST", body: form });
    return [answer.status, await answer.json()];
  };
  const form = formOf({ title: "t", file: "data:,abc" }, { image: picture(6, 2) });
  form.append("more", pngUri(1, 1));
  form.append("more", picture(2, 2), "b.png");
  form.append("more", picture(3, 3), "c.png");
  const size = png(6, 2).length;
  assert.deepEqual(await post(form), [
    200,
    {
      title: "t",
      stated: { contentType: "image/jpeg", fileName: "image.bin", fileSize: size },
      type: "image/png",
      width: 6,
      widths: [1, 2, 3],
      file: "abc",
    },
  ]);
  const [status, body] = await post(
    formOf({ title: "t", image: JSON.stringify({ url: pngUri(9, 1), file_name: "n" }) }),
  );
  assert.deepEqual([status, (body as { width: number }).width], [200, 9]);
  const faults: readonly (readonly [FormData, string])[] = [
    [formOf({ title: "t" }), "missing"],
    [formOf({ title: "t", image: "no" }), "value_error"],
    [formOf({ title: "t" }, { image: new Blob(["x".repeat(501)]) }), "file_too_large"],
    [formOf({ title: "t" }, { image: new Blob(["text"]) }), "image_load_error"],
    [formOf({ title: "t", image: pngUri(1, 1) }, { image: picture(1, 1) }), "value_error"],
  ];
  for (const [sent, type] of faults) {
    const [code, { detail }] = (await post(sent)) as [number, { detail: { type: string; loc: unknown }[] }];
    assert.equal(code, 422, type);
    assert.deepEqual(
      detail.map((each) => [each.type, each.loc]),
      [[type, ["body", "image"]]],
    );
  }
  await untilStored(uploadFolder, 0);
});

const Frame = Type.Object({ image: Image({ maxBytes: 300 }), seed: Type.Integer({ default: 1 }) });

class Live extends App {
  readonly seen: Uint8Array[] = [];

  @realtime("/live", { input: Frame, output: Type.Object({ image: Image(), width: Type.Integer() }) })
  async live({ image }: Static<typeof Frame>): Promise<{ image: Image; width: number }> {
    this.seen.push(await image.bytes());
    const width = await image.width;
    return { image: Image.fromBytes(png(width + 1, 1)), width };
  }

  @realtime("/json", {
    input: Frame,
    output: Type.Object({ image: Image() }),
    contentType: "application/json",
  })
  async json({ image }: Static<typeof Frame>): Promise<{ image: Image }> {
    return { image: Image.fromBytes(png(await image.width, 1)) };
  }
}

test("a picture in a frame is bytes, and in a frame of JSON a URL", async () => {
  const app = new Live();
  await using server = await startTestServer(app);
  const socket = await connectTestSocket(`${server.url}/live`);
  for (const [image, width] of [
    [png(4, 4), 4],
    [pngUri(5, 5), 5],
  ] as const) {
    socket.send({ image });
    const output = (await socket.next()) as { image: Uint8Array; width: number };
    assert.equal(output.width, width);
    assert.deepEqual(new Uint8Array(output.image), png(width + 1, 1));
  }
  // A view of the frame, not a copy of the bytes.
  assert.ok((app.seen[0] as Uint8Array).buffer.byteLength > png(4, 4).length);
  socket.send({ image: new Uint8Array(301) });
  await socket.closed;
  assert.match(JSON.stringify(socket.control), /image: The file may have at most 300 bytes/);
  const text = new WebSocket(`${server.url.replace("http", "ws")}/json`);
  await once(text, "open");
  text.send(JSON.stringify({ image: pngUri(3, 3) }));
  const [data] = (await once(text, "message")) as [Buffer];
  const { image } = JSON.parse(data.toString()) as { image: ImageRecord };
  assert.deepEqual([image.url, image.width], [pngUri(3, 1), 3]);
  text.close();
});
