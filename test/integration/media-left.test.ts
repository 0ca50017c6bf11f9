import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { App, endpoint, multipart, type RequestContext } from "servable";
import { Image, Video } from "servable/media";
import { startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { createFolder } from "../helpers/folders.ts";
import { png } from "../helpers/pictures.ts";
import { startRawServer } from "../helpers/raw-server.ts";
import { serveApp } from "../helpers/served-app.ts";
import { openSocket } from "../helpers/sockets.ts";
import { storedFiles, untilStored } from "../helpers/uploads.ts";

const Form = multipart({ image: Image(), more: Type.Optional(Image()) });

class Studio extends App {
  readonly events = new EventEmitter();

  @endpoint("/draw", { output: Type.Object({ image: Image() }) })
  draw(): { image: Image } {
    return { image: Image.fromBytes(png(3, 3)) };
  }

  /** Gives a large video, most of it once its caller has left. */
  @endpoint("/film", { output: Type.Object({ video: Video() }) })
  film(ctx: RequestContext): { video: Video } {
    const { events } = this;
    async function* frames(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1_000);
      events.emit("begun");
      if (!ctx.signal.aborted) await once(ctx.signal, "abort");
      for (let index = 0; index < 3; index++) {
        yield Buffer.alloc(1_000_000);
        await turn();
      }
      events.emit("over");
    }
    return { video: Video.fromStream(frames()) };
  }

  @endpoint("/form", { input: Form })
  form({ image }: Static<typeof Form>): Promise<number> {
    return image.size;
  }
}

/** Posts, and leaves when a promise resolves. */
async function leaveAfter(url: string, begun: Promise<unknown>): Promise<void> {
  const leaving = new AbortController();
  const answer = fetch(url, { method: "POST", signal: leaving.signal });
  await begun;
  leaving.abort();
  await assert.rejects(answer);
}

test("when the caller leaves, the upload of a new file ends", async () => {
  const events = new EventEmitter();
  const store = await startRawServer((_socket, head) => events.emit("request", head));
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" });
  const storage = { kind: "s3", bucket: "pictures", endpoint: store.origin } as const;
  await using server = await startTestServer(new Studio(), { storage });
  const asked = once(events, "request");
  await leaveAfter(`${server.url}/draw`, asked);
  const [head] = (await asked) as [string];
  assert.match(head, /^PUT \/pictures\//);
  while (store.sockets.size > 0) await turn();
});

test("when the caller leaves while a new file is made, nothing of it is kept", async () => {
  const [uploadFolder, folder] = [createFolder(), createFolder()];
  const app = new Studio();
  await using server = await startTestServer(app, { uploadFolder, storage: { kind: "local", folder } });
  const over = once(app.events, "over");
  await leaveAfter(`${server.url}/film`, once(app.events, "begun"));
  await over;
  for (let count = 0; count < 20; count++) await turn();
  await untilStored(uploadFolder, 0);
  assert.deepEqual(storedFiles(folder), []);
});

test("a small upload of a picture is held in memory, which is free again when it is answered, refused or abandoned", async () => {
  const uploadFolder = createFolder();
  await using served = await serveApp(new Studio(), { uploadFolder });
  const held = (metrics: { value(name: string): number }): number =>
    metrics.value("servable_bytes_in_flight");
  const idle = held(await served.metrics());
  const bytes = Buffer.concat([png(9, 9), Buffer.alloc(200_000)]);
  const form = new FormData();
  form.append("image", new Blob([bytes]));
  const answer = await fetch(`${served.url}/form`, { method: "POST", body: form });
  assert.deepEqual([answer.status, await answer.json()], [200, bytes.length]);
  form.append("unknown", "x");
  form.append("image", new Blob(["twice"]));
  assert.equal((await fetch(`${served.url}/form`, { method: "POST", body: form })).status, 422);

  const socket = await openSocket(Number(new URL(served.url).port));
  socket.write(
    "POST /form HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900000\r\ncontent-type: multipart/form-data; boundary=b\r\n\r\n" +
      '--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n',
  );
  socket.write(bytes);
  await served.metricsWhen((metrics) => held(metrics) >= idle + bytes.length);
  assert.deepEqual(storedFiles(uploadFolder), []);
  socket.destroy();
  await served.metricsWhen((metrics) => held(metrics) === idle);
});
