import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { App, bytes, endpoint, form, multipart, upload } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { captureLogs } from "../helpers/captured-logs.ts";
import { createFolder } from "../helpers/folders.ts";
import { serveApp } from "../helpers/served-app.ts";
import { bodyOf, openSocket, statusOf } from "../helpers/sockets.ts";
import { formOf, multipartBody, partHeaders, storedFiles, untilStored } from "../helpers/uploads.ts";

const Files = multipart({ first: upload(), second: upload({ optional: true }) });
const Streamed = multipart({ file: upload({ stream: true, maxBytes: 10_000_000 }) });
const Params = Type.Object({ id: Type.Integer() });
const Query = Type.Object({ size: Type.Optional(Type.Integer({ minimum: 1 })) });
const Headers = Type.Object({ "x-count": Type.Integer() });
const PARAMETERS = { params: Params, query: Query, headers: Headers, bodyLimitBytes: 10_000_000 };

class Depot extends App {
  calls = 0;

  @endpoint("/files/:id", { ...PARAMETERS, input: Files })
  files({ first, second }: Static<typeof Files>): number {
    this.calls++;
    return first.size + (second?.size ?? 0);
  }

  @endpoint("/queued/:id", { ...PARAMETERS, input: Files, maxConcurrency: 1 })
  queued(_input: Static<typeof Files>): void {
    this.calls++;
  }

  @endpoint("/stream/:id", { ...PARAMETERS, input: Streamed })
  async stream({ file }: Static<typeof Streamed>): Promise<number> {
    this.calls++;
    return (await file.bytes()).length;
  }

  @endpoint("/bytes/:id", { ...PARAMETERS, input: bytes() })
  bytes(input: Uint8Array): number {
    this.calls++;
    return input.length;
  }

  @endpoint("/form/:id", { ...PARAMETERS, input: form(Type.Object({ name: Type.String() })) })
  form(): void {
    this.calls++;
  }
}

const LENGTH = 5_000_000;

/** Kinds of bodies, with the content type and the first bytes of a long one. */
const BODIES = [
  ["/files", "multipart/form-data; boundary=b", multipartBody([{ headers: partHeaders("first", "a"), content: "x" }])],
  ["/queued", "multipart/form-data; boundary=b", multipartBody([{ headers: partHeaders("first", "a"), content: "x" }])],
  ["/stream", "multipart/form-data; boundary=b", multipartBody([{ headers: partHeaders("file", "a"), content: "x" }])],
  ["/bytes", "application/octet-stream", Buffer.from("xx")],
  ["/form", "application/x-www-form-urlencoded", Buffer.from("name=x")],
] as const; // prettier-ignore

for (const [path, type, start] of BODIES) {
  test(`wrong parameters are answered before the body of ${path} has arrived, and nothing of it is stored`, async () => {
    const uploadFolder = createFolder();
    const app = new Depot();
    await using served = await serveApp(app, { uploadFolder });
    const port = Number(new URL(served.url).port);
    const socket = await openSocket(port);
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
    socket.write(
      `POST ${path}/x?size=0 HTTP/1.1\r\nhost: localhost\r\nx-count: many\r\ncontent-type: ${type}\r\n` +
        `content-length: ${LENGTH}\r\n\r\n`,
    );
    socket.write(start.subarray(0, -2));
    await once(socket, "end"); // the server closes without having read the rest
    assert.equal(statusOf(received), 422, received);
    assert.match(received, /^connection: close/im);
    const { detail } = JSON.parse(bodyOf(received)) as { detail: { loc: string[]; type: string }[] };
    assert.deepEqual(
      detail.map((issue) => [...issue.loc, issue.type]),
      [
        ["path", "id", "int_parsing"],
        ["query", "size", "greater_than_equal"],
        ["header", "x-count", "int_parsing"],
      ],
    );
    assert.equal(app.calls, 0);
    assert.deepEqual(storedFiles(uploadFolder), []);
    const labels = { method: "POST", path: `${path}/{id}`, status_code: "422" };
    await served.metricsWhen((metrics) => metrics.value("http_requests_total", labels) === 1);
    socket.destroy();
  });
}

/** A small file system in memory. `folder` is undefined if this user can't mount one. */
function mountDisk(options: string): Disposable & { readonly folder: string | undefined } {
  const folder = createFolder();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", options, "servable-test", folder]).status === 0;
  return {
    folder: mounted ? folder : undefined,
    [Symbol.dispose]: () => void (mounted && spawnSync("umount", ["--lazy", folder])),
  };
}

const send = (served: TestServer<Depot>, path: string, body: FormData): Promise<Response> =>
  fetch(served.url + path, { method: "POST", body, headers: { "x-count": "1" } });

for (const [what, options] of [
  ["space for the bytes of a file", "size=512k"],
  ["space for the name of a file", "size=4m,nr_inodes=4"], // its root, the folders of the user and the process, a file
] as const) {
  test(`a disk without ${what} is answered with 507, leaves no file behind, and serves what fits`, async (context) => {
    using disk = mountDisk(options);
    const { folder: uploadFolder } = disk;
    if (uploadFolder === undefined) return context.skip("only root can mount a file system");
    const { logger, lines } = captureLogs();
    await using served = await startTestServer(new Depot(), { uploadFolder, logger });
    const large = new Blob(["x".repeat(300_000)]);
    for (let round = 0; round < 3; round++) {
      const refused = await send(served, "/files/1", formOf({}, { first: large, second: large }));
      assert.equal(refused.status, 507);
      assert.deepEqual(await refused.json(), {
        detail: "There is no disk space for the files of the body",
      });
      await untilStored(uploadFolder, 0);
      assert.equal(served.app.calls, round);
      const fits = await send(served, "/files/1", formOf({}, { first: large }));
      assert.deepEqual([fits.status, await fits.json()], [200, 300_000]);
      await untilStored(uploadFolder, 0);
    }
    const logged = lines.filter(({ level }) => level === 50);
    assert.deepEqual(
      logged.map(({ msg, err }) => [msg, (err as { code: string }).code]),
      Array.from({ length: 3 }, () => ["no disk space for an upload", "ENOSPC"]),
    );
    const streamed = await send(served, "/stream/1", formOf({}, { file: new Blob(["x".repeat(2_000_000)]) }));
    assert.deepEqual([streamed.status, await streamed.json()], [200, 2_000_000], "a stream needs no disk");
  });
}
