import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import * as fc from "fast-check";
import { App, endpoint, multipart, upload } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { createFolder } from "../helpers/folders.ts";
import { bodyOf, openSocket, rawRequest, statusOf } from "../helpers/sockets.ts";
import { multipartBody, partHeaders, untilStored } from "../helpers/uploads.ts";

const Input = multipart({
  files: upload({ list: true, maxFiles: 5, optional: true }),
  texts: Type.Array(Type.String(), { default: [] }),
});

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

class Digests extends App {
  @endpoint("/", { input: Input })
  async digest({ files = [], texts }: Static<typeof Input>): Promise<object> {
    return { texts, files: await Promise.all(files.map(async (file) => digest(await file.bytes()))) };
  }
}

let server: TestServer<Digests>;
const uploadFolder = createFolder();
before(async () => {
  server = await startTestServer(new Digests(), { uploadFolder });
});
after(() => server.close());

/** Sends a request in pieces, cut at these places, and returns the answer. */
async function sendInPieces(bytes: Buffer, cuts: readonly number[]): Promise<string> {
  const socket = await openSocket(server.port);
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  let from = 0;
  for (const cut of [...cuts.map((each) => each % bytes.length), bytes.length].toSorted((a, b) => a - b)) {
    if (cut > from && !socket.destroyed) socket.write(bytes.subarray(from, cut));
    from = Math.max(from, cut);
    await turn();
  }
  await closed;
  return received;
}

/** Whether a part can have this content: the line break before a boundary may also be the one that ends the headers. */
const isAllowed = (value: Uint8Array | string): boolean =>
  !`\r\n${Buffer.from(value).toString("latin1")}`.includes("\r\n--b");

/** Content that resembles boundaries, and any other. */
const pieces = fc.constantFrom("\r\n", "--b", "-", "\r", "\n", "--", "x", "--b--", "\r\n--c");
const content = fc
  .oneof(
    fc.uint8Array({ maxLength: 3_000 }),
    fc.array(pieces, { maxLength: 30 }).map((list) => Buffer.from(list.join(""))),
  )
  .filter(isAllowed);
const text = fc.string({ unit: "grapheme", maxLength: 40 }).filter(isAllowed);
const cuts = fc.array(fc.nat(), { maxLength: 12 });
const headers = { "content-type": "multipart/form-data; boundary=b" };

test("files and texts arrive unchanged, however the body is cut into pieces", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(content, { maxLength: 5 }),
      fc.array(text, { maxLength: 5 }),
      cuts,
      async (files, texts, places) => {
        const parts = [
          ...files.map((each) => ({ headers: partHeaders("files", "f", "text/plain"), content: each })),
          ...texts.map((each) => ({ headers: partHeaders("texts"), content: each })),
        ];
        const answer = await sendInPieces(rawRequest("POST", "/", headers, multipartBody(parts)), places);
        if (parts.length === 0) return assert.ok([200, 400].includes(statusOf(answer)));
        assert.equal(statusOf(answer), 200, answer);
        const { files: digests, texts: read } = JSON.parse(
          Buffer.from(bodyOf(answer), "latin1").toString(),
        ) as {
          files: string[];
          texts: string[];
        };
        assert.deepEqual(
          read,
          texts.map((each) => Buffer.from(each).toString()),
        );
        assert.deepEqual(digests, files.map(digest));
      },
    ),
    { numRuns: 60 },
  );
});

test("a broken body gets an answer below 500, and leaves no file", async () => {
  const sound = multipartBody([
    { headers: partHeaders("files", "f"), content: "content of a file" },
    { headers: partHeaders("texts"), content: "text" },
  ]);
  const change = fc.record({
    at: fc.nat(sound.length - 1),
    removed: fc.nat(20),
    put: fc.constantFrom("", "\r\n", "--b", "\0", '"', "\r\n\r\n", "--b--", ":"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), cuts, async (changes, places) => {
      let body: Buffer = sound;
      for (const { at, removed, put } of changes) {
        const start = at % (body.length + 1);
        body = Buffer.concat([body.subarray(0, start), Buffer.from(put), body.subarray(start + removed)]);
      }
      const answer = await sendInPieces(rawRequest("POST", "/", headers, body), places);
      const status = statusOf(answer);
      assert.ok(status === 200 || (status >= 400 && status < 500), answer);
    }),
    { numRuns: 100 },
  );
  await untilStored(uploadFolder, 0);
});
