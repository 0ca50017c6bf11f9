import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, test } from "node:test";
import { pino } from "pino";
import { App, endpoint } from "servable";
import { File, type FileRecord } from "servable/media";
import { startTestServer } from "servable/testing";
import { Type } from "typebox";
import type { FalServerlessError } from "../../src/errors.ts";
import { FalStorage } from "../../src/storage/fal-storage.ts";
import type { StorableFile, StoreRequest } from "../../src/storage/file-storage.ts";
import { startFalStore, type FalStore } from "../helpers/fal-store.ts";
import { createFolder } from "../helpers/folders.ts";

interface Received {
  readonly call: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The answers of an uploader in order. A number is a status without a body. */
type Answer = number | readonly [status: number, body: object] | ((response: ServerResponse) => void);

/** An uploader on a Unix socket, which ends with its test. */
async function startUploader(answers: readonly Answer[]): Promise<{ socket: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      const answer = answers[received.length] ?? 500;
      received.push({
        call: `${request.method} ${request.url}`,
        headers: request.headers,
        body: String(body),
      });
      if (typeof answer === "function") return answer(response);
      const [status, value] = typeof answer === "number" ? [answer, undefined] : answer;
      response.writeHead(status).end(value === undefined ? undefined : JSON.stringify(value));
    });
  });
  const socket = join(createFolder(), "api.sock");
  server.listen(socket);
  await once(server, "listening");
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { socket, received };
}

const URL_THERE = "https://v3b.fal.media/files/b/x/a.png";
const ACCEPTED = [202, { state: "accepted_local", upload_id: "u", file_url: URL_THERE }] as const;
const RECEIVING = [201, { state: "receiving", upload_id: "s/1", file_url: URL_THERE }] as const;

function storageAt(store: FalStore, socket: string, wanted = "1"): FalStorage {
  return new FalStorage(
    { kind: "fal", expirySeconds: 60 },
    {
      ...{ FAL_KEY: "id:secret", FAL_REST_HOST: store.origin, FAL_APP_NAME: "painter" },
      ...{ FAL_USE_LOCAL_UPLOADER: wanted, FAL_API_SOCKET: socket },
    },
  );
}

function requestWith(headers: Readonly<Record<string, string>> = {}): StoreRequest {
  return {
    requestId: "r-1",
    signal: new AbortController().signal,
    log: pino({ level: "silent" }),
    header: (name) => headers[name],
    headerNames: () => Object.keys(headers),
    origin: () => "http://localhost",
  };
}

const FILE: StorableFile = {
  ...{ fileName: " ä\nb.png", contentType: "image/png" },
  ...{ bytes: Buffer.from("small"), size: 5 },
};

test("the uploader of the machine gets a file first, with the headers of the gateway", async () => {
  const store = await startFalStore();
  const { socket, received } = await startUploader([429, ACCEPTED]);
  const headers = {
    "x-fal-cdn-token": "t",
    "x-fal-runner": "7",
    "x-fal-provenance": "no",
    "x-fal-words": "ö",
    authorization: "Key caller",
    cookie: "c",
  };
  assert.deepEqual(await storageAt(store, socket).store(FILE, requestWith(headers)), { url: URL_THERE });
  assert.equal(store.requests.length, 0);
  assert.deepEqual(
    received.map(({ call, body }) => [call, body]),
    [
      ["POST /v1/uploads", "small"],
      ["POST /v1/uploads", "small"],
    ],
  );
  const { host: _host, connection: _connection, ...sent } = received[1]?.headers ?? {};
  const lifecycle = '{"expiration_duration_seconds":60}';
  assert.deepEqual(sent, {
    authorization: "Key id:secret",
    "content-length": "5",
    "content-type": "image/png",
    "x-fal-application": "painter",
    "x-fal-cdn-token": "t",
    "x-fal-file-name": "??b.png",
    "x-fal-object-lifecycle": lifecycle,
    "x-fal-object-lifecycle-preference": lifecycle,
    "x-fal-request-id": "r-1",
    "x-fal-runner": "7",
  });
});

test("a file that the uploader did not take goes to the CDN", async () => {
  const missing = join(createFolder(), "missing.sock");
  for (const answers of [undefined, [429, 429, 429], [413], [404]]) {
    const store = await startFalStore();
    const { socket, received } =
      answers === undefined ? { socket: missing, received: [] } : await startUploader(answers);
    const { url } = await storageAt(store, socket).store({ ...FILE, fileName: "a.png" }, requestWith());
    assert.match(url, /fal-cdn-v3/);
    assert.equal(received.length, answers?.length ?? 0);
  }
});

test("a file that the uploader may have is stored nowhere else", async () => {
  const cases: readonly Answer[] = [
    500,
    [202, { state: "other" }],
    (response) => void response.socket?.destroy(),
  ];
  for (const answer of cases) {
    const store = await startFalStore();
    const { socket, received } = await startUploader([answer, ACCEPTED]);
    await assert.rejects(storageAt(store, socket).store(FILE, requestWith()), (error: FalServerlessError) => {
      assert.equal(error.code, "STORAGE_FAILED");
      assert.match(error.message, /uploader of this machine/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    assert.deepEqual([received.length, store.requests.length], [1, 0]);
  }
});

test("a reserved URL is a session of the uploader, which is complete with its size, or aborted", async () => {
  const store = await startFalStore();
  const { socket, received } = await startUploader([
    RECEIVING,
    204,
    ACCEPTED,
    RECEIVING,
    202,
    RECEIVING,
    500,
    202,
  ]);
  const storage = storageAt(store, socket);
  const reserve = () => storage.reserve(FILE, requestWith());
  const first = await reserve();
  assert.equal(first.url, URL_THERE);
  await first.complete(FILE);
  await (await reserve()).abort();
  const last = await reserve();
  await assert.rejects(last.complete(FILE), /uploader of this machine answered with 500/);
  assert.deepEqual(
    received.map(({ call, body }) => [call, body]),
    [
      ["POST /v1/upload-sessions", ""],
      ["PUT /v1/upload-sessions/s%2F1/body", "small"],
      ["POST /v1/upload-sessions/s%2F1/finish", '{"size_bytes":5}'],
      ["POST /v1/upload-sessions", ""],
      ["DELETE /v1/upload-sessions/s%2F1", ""],
      ["POST /v1/upload-sessions", ""],
      ["PUT /v1/upload-sessions/s%2F1/body", "small"],
      ["DELETE /v1/upload-sessions/s%2F1", ""],
    ],
  );
  assert.equal(store.requests.length, 0);
});

class Painter extends App {
  @endpoint("/", { output: Type.Object({ file: File() }) })
  run(): { file: File } {
    return { file: File.fromBytes(Buffer.from("x"), { fileName: "a.txt" }) };
  }
}

test("an app passes on the headers of its request", async () => {
  const { socket, received } = await startUploader([ACCEPTED]);
  const variables = { FAL_KEY: "id:secret", FAL_USE_LOCAL_UPLOADER: "1", FAL_API_SOCKET: socket };
  Object.assign(process.env, variables);
  try {
    await using server = await startTestServer(new Painter(), { storage: "fal" });
    const answer = await server.post("/", {}, { "x-fal-runner": "7", "x-other": "8" });
    assert.equal(((await answer.json()) as { file: FileRecord }).file.url, URL_THERE);
    const { headers } = received[0] as Received;
    assert.deepEqual([headers["x-fal-runner"], headers["x-other"]], ["7", undefined]);
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
  }
});

test("without the variable, the uploader is not asked", async () => {
  for (const wanted of ["", "0", " False "]) {
    const store = await startFalStore();
    const { socket, received } = await startUploader([ACCEPTED]);
    await storageAt(store, socket, wanted).store({ ...FILE, fileName: "a.png" }, requestWith());
    assert.deepEqual([received.length, store.requests.length], [0, 2]);
  }
});
