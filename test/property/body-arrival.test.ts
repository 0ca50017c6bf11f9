import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import * as fc from "fast-check";
import { App, endpoint } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { openSocket } from "../helpers/sockets.ts";

const Text = Type.Object({ text: Type.String() });

class Echo extends App {
  @endpoint("/", { input: Text, output: Text })
  echo({ text }: Static<typeof Text>): Static<typeof Text> {
    return { text };
  }
}

let server: TestServer<Echo>;
before(async () => {
  server = await startTestServer(new Echo());
});
after(() => server.close());

/** The bytes of a request, with its length in the head or in chunks of these sizes. */
function requestOf(text: string, chunks: readonly number[] | undefined, isLast: boolean): Buffer {
  const body = Buffer.from(JSON.stringify({ text }));
  const head = [
    "POST / HTTP/1.1",
    "host: localhost",
    "content-type: application/json",
    ...(isLast ? ["connection: close"] : []),
    chunks === undefined ? `content-length: ${body.length}` : "transfer-encoding: chunked",
  ];
  const pieces: Buffer[] = [Buffer.from(`${head.join("\r\n")}\r\n\r\n`)];
  if (chunks === undefined) pieces.push(body);
  else {
    let at = 0;
    for (const size of [...chunks, body.length]) {
      const piece = body.subarray(at, at + size);
      at += size;
      if (piece.length > 0)
        pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
    }
    pieces.push(Buffer.from("0\r\n\r\n"));
  }
  return Buffer.concat(pieces);
}

/** The texts of the answers on a connection. */
function textsOf(received: string): string[] {
  return [...received.matchAll(/\r\n\r\n(\{.*?\})(?=HTTP\/1\.1 |$)/gs)].map(
    ([, body]) => (JSON.parse(body as string) as Static<typeof Text>).text,
  );
}

test("bodies have the same bytes however their requests are cut into packets, also several on a connection", async () => {
  const text = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 40 }),
    fc.nat({ max: 150_000 }).map((length) => "é".repeat(length / 2)),
  );
  const request = fc.record({
    text: text.filter((each) => !each.includes("HTTP/1.1")),
    chunks: fc.option(fc.array(fc.integer({ min: 1, max: 60_000 }), { maxLength: 5 }), { nil: undefined }),
  });
  const cut = fc.double({ min: 0, max: 1, noNaN: true });
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { minLength: 1, maxLength: 3 }),
      fc.array(cut, { maxLength: 6 }),
      async (requests, cuts) => {
        const bytes = Buffer.concat(
          requests.map((each, index) => requestOf(each.text, each.chunks, index === requests.length - 1)),
        );
        const socket = await openSocket(server.port);
        socket.setNoDelay(true);
        const received: Buffer[] = [];
        socket.on("data", (chunk: Buffer) => received.push(chunk));
        const closed = new Promise((resolve) => socket.once("close", resolve));
        const places = cuts.map((share) => Math.floor(share * bytes.length)).sort((one, two) => one - two);
        let at = 0;
        for (const place of [...places, bytes.length]) {
          socket.write(bytes.subarray(at, place));
          at = place;
          await turn();
          await turn();
        }
        await closed;
        assert.deepEqual(
          textsOf(Buffer.concat(received).toString()),
          requests.map((each) => each.text),
        );
      },
    ),
    { numRuns: 120 },
  );
});
