import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createReadStream, openAsBlob, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import type { Readable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { after, before, suite, test } from "node:test";
import { startTestServer, type TestServer } from "servable/testing";
import sharp from "sharp";
import PictureReader, { type Text } from "./app.ts";
import { readPicture } from "./picture.ts";
import { TextReader } from "./text-reader.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const TEXTS = JSON.parse(readFileSync(join(FOLDER, "pictures/texts.json"), "utf8")) as Record<
  string,
  string[]
>;

function pictureNamed(name: string): Buffer {
  return readFileSync(join(FOLDER, "pictures", name));
}

function textsOf({ lines }: Text): string[] {
  return lines.map(({ text }) => text);
}

type Child = ChildProcessByStdio<null, Readable, null>;

/** Runs the command of a script in package.json, without npm. */
function run(
  script: "start" | "client",
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Child {
  const { scripts } = JSON.parse(readFileSync(join(FOLDER, "package.json"), "utf8")) as {
    scripts: Record<typeof script, string>;
  };
  const command = [...scripts[script].split(" ").slice(1), ...args];
  const env = { ...process.env, HOST: "127.0.0.1", ...variables };
  return spawn(process.execPath, command, { cwd: FOLDER, env, stdio: ["ignore", "pipe", "inherit"] });
}

/** Waits until the app is started, and returns the address that it prints. */
async function addressOf(app: Child): Promise<string> {
  let output = "";
  for await (const chunk of app.stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    const address = /http:\/\/127\.0\.0\.1:\d+(?!\d|\/metrics)/.exec(output)?.[0];
    if (address === undefined) continue;
    app.stdout.resume();
    return address;
  }
  assert.fail(`the app named no address:\n${output}`);
}

suite("examples/ocr", () => {
  let served: TestServer<PictureReader>;
  /** Another server, which sends the pictures. */
  const source = createServer(({ url = "" }, answer) =>
    createReadStream(join(FOLDER, "pictures", basename(url))).pipe(answer),
  );
  let sourceHost: string;
  before(async () => {
    await once(source.listen(0, "127.0.0.1"), "listening");
    sourceHost = `127.0.0.1:${(source.address() as AddressInfo).port}`;
    served = await startTestServer(new PictureReader(), { fileHosts: [sourceHost] });
  });
  after(async () => {
    await served.close();
    source.close();
  });

  async function textIn(answer: Promise<Response>): Promise<Text> {
    const { status } = await answer;
    assert.equal(status, 200);
    return (await (await answer).json()) as Text;
  }

  const read = (file: Uint8Array): Promise<Text> => textIn(served.post("/", { picture: dataUri(file) }));

  test("a picture is sent as a URL, as an object with the URL, as a data URI and as an upload", async () => {
    const name = "receipt.webp";
    const url = `http://${sourceHost}/${name}`;
    const form = new FormData();
    form.set("picture", await openAsBlob(join(FOLDER, "pictures", name)), name);
    const link = new FormData();
    link.set("picture", url);
    const sent: Record<string, Promise<Response>> = {
      url: served.post("/", { picture: url }),
      object: served.post("/", { picture: { url, file_name: name } }),
      "data URI": served.post("/", { picture: dataUri(pictureNamed(name)) }),
      upload: fetch(`${served.url}/upload`, { method: "POST", body: form }),
      "URL in a form": fetch(`${served.url}/upload`, { method: "POST", body: link }),
    };
    for (const [form, answer] of Object.entries(sent))
      assert.deepEqual(textsOf(await textIn(answer)), TEXTS[name], form);
  });

  test("a URL in a private network is not fetched, which is the caller's fault", async () => {
    const refused = await served.post("/", { picture: "http://127.0.0.1:1/sign.jpg" });
    const { detail } = (await refused.json()) as { detail: { loc: string[]; type: string }[] };
    assert.deepEqual(
      [refused.status, detail[0]?.loc, detail[0]?.type],
      [422, ["body", "picture"], "file_download_error"],
    );
  });

  for (const [name, texts] of Object.entries(TEXTS)) {
    test(`every line of ${name} is read, in order`, async () => {
      const text = await read(pictureNamed(name));
      assert.deepEqual(textsOf(text), texts);
      for (const { confidence } of text.lines) assert.ok(confidence > 0.9 && confidence <= 1);
    });
  }

  test("a box has a line's corners, clockwise from its top left", async () => {
    const { lines, width, height } = await read(pictureNamed("newspaper.png"));
    assert.deepEqual([width, height], [860, 430]);
    // The title begins at (60, 80), its letters 44 pixels high.
    assertNear(lines[0]?.box, [
      [60, 42],
      [500, 42],
      [500, 88],
      [60, 88],
    ]);
  });

  test("a picture that is upside down has the same text, and its boxes begin where its lines do", async () => {
    const upright = await read(pictureNamed("newspaper.png"));
    const file = await sharp(pictureNamed("newspaper.png")).rotate(180).png().toBuffer();
    const turned = await read(file);
    assert.deepEqual(textsOf(turned), TEXTS["newspaper.png"]);
    assertNear(
      turned.lines[0]?.box,
      (upright.lines[0]?.box ?? []).map(([x = 0, y = 0]) => [860 - x, 430 - y]),
    );
  });

  test("a photograph is rotated by its EXIF data before it is read", async () => {
    const sideways = await sharp(pictureNamed("newspaper.png")).rotate(270).toBuffer();
    const file = await sharp(sideways).withMetadata({ orientation: 6 }).jpeg({ quality: 90 }).toBuffer();
    const text = await read(file);
    assert.deepEqual([text.width, text.height], [860, 430]);
    assert.deepEqual(textsOf(text), TEXTS["newspaper.png"]);
  });

  test("a picture larger than the detector's view is read, its boxes in its own pixels", async () => {
    const file = await sharp(pictureNamed("receipt.webp")).resize(2760, 1800).png().toBuffer();
    const text = await read(file);
    assert.deepEqual([text.width, text.height], [2760, 1800]);
    assert.deepEqual(textsOf(text), TEXTS["receipt.webp"]);
    assert.ok(text.lines.some(({ box }) => box.some(([x = 0]) => x > 2400)));
  });

  test("transparent parts are read as white paper", async () => {
    const mask = await sharp(pictureNamed("station.png")).greyscale().negate().raw().toBuffer();
    const file = await sharp({ create: { width: 480, height: 300, channels: 3, background: "black" } })
      .joinChannel(mask, { raw: { width: 480, height: 300, channels: 1 } })
      .png()
      .toBuffer();
    assert.equal((await sharp(file).metadata()).hasAlpha, true);
    assert.deepEqual(textsOf(await read(file)), TEXTS["station.png"]);
  });

  test("a picture without text has no lines, whatever its shape", async () => {
    for (const [width, height] of [
      [640, 480],
      [1, 1],
      [4000, 2],
      [3, 5000],
    ] as const) {
      const file = await sharp({ create: { width, height, channels: 3, background: "#c0d0e0" } })
        .png()
        .toBuffer();
      assert.deepEqual(await read(file), { lines: [], width, height });
    }
  });

  test("a file that is not a picture, damaged or too large is rejected with the reason", async () => {
    const png = pictureNamed("newspaper.png");
    const large = { width: 5001, height: 5000, channels: 3, background: "white" } as const;
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    const cases: [picture: string, type: string, msg: RegExp][] = [
      ["not a URL", "value_error", /valid URL/],
      [dataUri(new Uint8Array()), "image_load_error", /^The file is not a picture of a known format$/],
      [dataUri(Buffer.from("a text")), "image_load_error", /^The file is not a picture of a known format$/],
      [
        dataUri(await sharp(png).gif().toBuffer()),
        "unsupported_image_format",
        /^The file is image\/gif, but should be image\/png or image\/jpeg or image\/webp$/,
      ],
      [dataUri(svg), "unsupported_image_format", /^The file is image\/svg\+xml, but should be/],
      [dataUri(png.subarray(0, 20)), "image_load_error", /^The size of the picture can't be read$/],
      [dataUri(png.subarray(0, 5000)), "image_load_error", /^The picture is damaged or cut short$/],
      [
        dataUri(await sharp({ create: large }).png().toBuffer()),
        "image_too_large",
        /^The picture has 5001 x 5000 pixels, but may have 25000000 in all$/,
      ],
      [dataUri(Buffer.alloc(10 * 1024 * 1024 + 1)), "file_too_large", /at most 10485760 bytes/],
    ];
    for (const [picture, type, msg] of cases) {
      const answer = await served.post("/", { picture });
      assert.equal(answer.status, 422);
      const { detail } = (await answer.json()) as { detail: { loc: string[]; type: string; msg: string }[] };
      assert.deepEqual([detail[0]?.loc, detail[0]?.type], [["body", "picture"], type]);
      assert.match(detail[0]?.msg ?? "", msg);
    }
  });

  test("callers at the same time each get the text of their own picture", async () => {
    const names = [...Object.keys(TEXTS), ...Object.keys(TEXTS).toReversed()];
    const texts = await Promise.all(names.map((name) => read(pictureNamed(name))));
    assert.deepEqual(
      texts.map(textsOf),
      names.map((name) => TEXTS[name]),
    );
  });

  test("reading stops when its signal aborts", async () => {
    const reader = await TextReader.load();
    const picture = await readPicture(pictureNamed("newspaper.png"));
    const gone = new AbortController();
    const reading = reader.read(picture, gone.signal);
    gone.abort(new Error("the caller left"));
    await assert.rejects(reading, /^Error: the caller left$/);
    await reader.release();
  });

  test("npm start serves the app, npm run client prints the lines, SIGTERM ends it with 0", async () => {
    const app = run("start", ["--port", "0", "--metrics-port", "0"]);
    after(() => app.kill("SIGKILL"));
    const exited = once(app, "exit");
    const client = run("client", ["pictures/newspaper.png"], { URL: await addressOf(app) });
    const lines = (await textOf(client.stdout)).trim().split("\n");
    assert.deepEqual(
      lines.map((line) => /^(?:0\.\d\d|1\.00) {2}(.+)$/.exec(line)?.[1]),
      TEXTS["newspaper.png"],
    );
    app.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null]);
  });
});

function dataUri(file: Uint8Array): string {
  return `data:;base64,${Buffer.from(file).toString("base64")}`;
}

function assertNear(box: readonly number[][] | undefined, corners: readonly number[][]): void {
  const distances = corners.map(([x = 0, y = 0], index) =>
    Math.hypot((box?.[index]?.[0] ?? NaN) - x, (box?.[index]?.[1] ?? NaN) - y),
  );
  assert.ok(
    distances.every((distance) => distance < 12),
    `${JSON.stringify(box)} is not near ${JSON.stringify(corners)}`,
  );
}
