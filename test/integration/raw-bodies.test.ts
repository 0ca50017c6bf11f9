import assert from "node:assert/strict";
import { test } from "node:test";
import type { Readable } from "node:stream";
import {
  App,
  bytes,
  DefinitionError,
  endpoint,
  form,
  multipart,
  realtime,
  upload,
  type BaseServable,
} from "servable";
import { startTestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { exchange, rawRequest, statusOf } from "../helpers/sockets.ts";

const Login = form(
  Type.Object({ user: Type.String(), age: Type.Integer(), stay: Type.Boolean({ default: false }) }),
);
const Named = Type.Object({ name: Type.String() });

class Bodies extends App {
  calls = 0;

  @endpoint("/bytes", {
    input: bytes({ contentType: ["image/png", "audio/*"], minBytes: 2, maxBytes: 100_000 }),
  })
  bytes(body: Uint8Array): number {
    this.calls++;
    return body.reduce((sum, byte) => sum + byte, 0);
  }

  readonly kept: Uint8Array[] = [];

  @endpoint("/keep", { input: bytes() })
  keep(body: Uint8Array): number {
    return this.kept.push(body);
  }

  @endpoint("/any", { input: bytes(), method: "PUT" })
  any(body: Uint8Array): number {
    return body.length;
  }

  @endpoint("/stream", { input: bytes({ stream: true, minBytes: 2, maxBytes: 3_000_000 }) })
  async stream(body: Readable): Promise<number> {
    let size = 0;
    for await (const chunk of body) size += (chunk as Buffer).length;
    return size;
  }

  @endpoint("/unread", { input: bytes({ stream: true, maxBytes: 50_000_000 }) })
  unread(_body: Readable): string {
    return "unread";
  }

  @endpoint("/login", { input: Login })
  login(input: Static<typeof Login>): object {
    this.calls++;
    return input;
  }

  @endpoint("/json", { input: Named })
  json({ name }: Static<typeof Named>): string {
    this.calls++;
    return name;
  }
}

async function answerOf(answer: Promise<Response>): Promise<readonly [status: number, body: unknown]> {
  const response = await answer;
  return [response.status, await response.json()];
}

/** The type and message of the only issue of a 422. */
function issueOf([status, body]: readonly [number, unknown]): string {
  assert.equal(status, 422, JSON.stringify(body));
  const [issue] = (body as { detail: { type: string; msg: string }[] }).detail;
  return `${issue?.type}: ${issue?.msg}`;
}

test("a raw body is passed on unchanged, if its type and size are accepted", async () => {
  await using server = await startTestServer(new Bodies());
  const send = (path: string, body: Uint8Array<ArrayBuffer>, type: string, method = "POST") =>
    answerOf(fetch(server.url + path, { ...{ method, body }, headers: { "content-type": type } }));
  assert.deepEqual(await send("/bytes", Uint8Array.of(1, 255), "IMAGE/PNG; a=b"), [200, 256]);
  assert.deepEqual(await send("/bytes", new Uint8Array(100_000).fill(1), "audio/mpeg"), [200, 100_000]);
  assert.match(
    issueOf(await send("/bytes", Uint8Array.of(1, 2), "image/gif")),
    /^content_type: .*"image\/gif", send it as image\/png or audio\/\*$/,
  );
  assert.match(issueOf(await send("/bytes", Uint8Array.of(1), "image/png")), /^bytes_too_short: /);
  assert.equal((await send("/bytes", new Uint8Array(100_001), "image/png"))[0], 413);
  assert.deepEqual(await send("/any", new Uint8Array(70_000), "application/json", "PUT"), [200, 70_000]);
  assert.deepEqual(await send("/any", new Uint8Array(0), "text/plain", "PUT"), [200, 0]);
  assert.equal(server.app.calls, 2);
});

test("an encoded body is refused with its encoding named", async () => {
  await using server = await startTestServer(new Bodies());
  const answer = server.post("/any", "x", { "content-encoding": "gzip" });
  assert.equal((await answer).status, 405);
  const put = fetch(`${server.url}/any`, {
    method: "PUT",
    body: "x",
    headers: { "content-encoding": "gzip" },
  });
  assert.match(issueOf(await answerOf(put)), /content-encoding is "gzip", send it unencoded/);
});

test("a raw body as a stream is limited while it flows, and may be left unread", async () => {
  await using server = await startTestServer(new Bodies());
  const send = (path: string, size: number) =>
    answerOf(
      fetch(server.url + path, {
        method: "POST",
        body: new Blob([new Uint8Array(size)]).stream(),
        duplex: "half",
      }),
    );
  assert.deepEqual(await send("/stream", 2_500_000), [200, 2_500_000]);
  assert.match(issueOf(await send("/stream", 1)), /^bytes_too_short: /);
  const large = rawRequest("POST", "/stream", { "content-length": "3000001" }, "xx");
  assert.equal(statusOf(await exchange(server.port, large)), 413);
  assert.deepEqual(await answerOf(server.post("/unread", "x".repeat(500_000))), [200, "unread"]);
  assert.deepEqual(await send("/stream", 3), [200, 3]);
});

test("a form is converted as its schema says", async () => {
  await using server = await startTestServer(new Bodies());
  const send = (body: string, type = "application/x-www-form-urlencoded") =>
    answerOf(server.post("/login", body, { "content-type": type }));
  assert.deepEqual(await send("user=A+b%C3%A4&age=7&stay=on&__proto__=x&other=1"), [
    200,
    { user: "A bä", age: 7, stay: true },
  ]);
  assert.match(issueOf(await send("user=a&age=x")), /^int_parsing/);
  assert.match(issueOf(await send("user=a")), /^missing/);
  assert.match(
    issueOf(await send("user=a&user=b&age=1")),
    /^value_error: Input should occur once, not 2 times/,
  );
  assert.match(
    issueOf(await send('{"user":"a"}', "application/json")),
    /send it as application\/x-www-form-urlencoded/,
  );
  assert.equal((await send("user=%ff&age=1"))[0], 400);
});

test("JSON without its content type is refused with the cause named", async () => {
  await using server = await startTestServer(new Bodies());
  const body = '{"name":"a"}';
  const send = (headers: Readonly<Record<string, string>>) =>
    exchange(server.port, rawRequest("POST", "/json", headers, body));
  assert.match(await send({}), /the body has no content type, send it as application\/json/);
  const text = await send({ "content-type": "text/plain" });
  assert.equal(statusOf(text), 422);
  assert.match(text, /content type is \\"text\/plain\\", send it as application\/json/);
  assert.equal(statusOf(await send({ "content-type": "multipart/form-data; boundary=x" })), 422);
  assert.equal(server.app.calls, 0);
  assert.equal(statusOf(await send({ "content-type": "application/json" })), 200);
});

test("a form and a raw body of another origin do not run the handler", async () => {
  await using server = await startTestServer(new Bodies(), { cors: { origins: "*" } });
  const origin = "https://evil.example";
  const form = { origin, "content-type": "application/x-www-form-urlencoded" };
  assert.equal((await server.post("/login", "user=a&age=1", form)).status, 403);
  assert.equal((await server.post("/bytes", "xx", { origin, "content-type": "image/png" })).status, 403);
  assert.equal(server.app.calls, 0);
});

test("the document describes forms and raw bodies", async () => {
  const { paths } = await new Bodies().openapi();
  const contentOf = (path: string): unknown =>
    (paths[path]?.["post"] as { requestBody: { content: unknown } } | undefined)?.requestBody.content;
  const binary = { schema: { type: "string", format: "binary" } };
  assert.deepEqual(contentOf("/bytes"), { "image/png": binary, "audio/*": binary });
  assert.deepEqual(contentOf("/stream"), { "*/*": binary });
  assert.deepEqual(contentOf("/login"), {
    "application/x-www-form-urlencoded": { schema: { $ref: "#/components/schemas/LoginInput" } },
  });
});

/** Definitions that are refused, each with a part of the message. */
const REFUSED: Readonly<Record<string, readonly [define: () => unknown, message: RegExp]>> = {
  "a stream in a batch": [
    () => endpoint("/", { input: bytes({ stream: true }), batch: { maxSize: 2 } }),
    /belongs to one caller; drop `batch`/,
  ],
  "a time limit of a JSON body": [
    () => endpoint("/", { input: Named, bodyTimeoutMs: 5 }),
    /bodyTimeoutMs applies to/,
  ],
  "two streams": [
    () => endpoint("/", { input: multipart({ a: upload({ stream: true }), b: upload({ stream: true }) }) }),
    /a and b are streams/,
  ],
  "an unknown option": [
    () => multipart({}, JSON.parse('{"maxPart":1}')),
    /unknown option "maxPart"; did you mean "maxParts"/,
  ],
  "an invalid content type": [() => upload({ contentTypes: "png" }), /must be a content type/],
  "a form of a list": [() => form(Type.Array(Type.String())), /form\(\) takes an object schema/],
  "a list of streams": [() => upload({ list: true, stream: true }), /a list can't be a stream/],
};

for (const [what, [define, message]] of Object.entries(REFUSED)) {
  test(`a definition is refused by name: ${what}`, () => {
    const decorate = (): void => {
      const decorator = define();
      if (typeof decorator !== "function") return;
      const context = { kind: "method", name: "run", private: false, static: false, metadata: {} };
      Reflect.apply(decorator, undefined, [() => {}, context]);
    };
    assert.throws(decorate, (error) => error instanceof DefinitionError && message.test(error.message));
  });
}

class Nested extends App {
  @endpoint("/", { input: Type.Object({ file: upload() }) })
  run(): void {}
}
class InSession extends App {
  @realtime("/", { input: multipart({ text: Type.String() }) })
  run(): object {
    return {};
  }
}
class AsOutput extends App {
  @endpoint("/", { output: form(Named) })
  run(): Static<typeof Named> {
    return { name: "" };
  }
}

test("files and forms in the wrong position are refused", () => {
  const refuses = (app: BaseServable, message: RegExp): void =>
    assert.throws(
      () => app.buildServer(),
      (error) => error instanceof DefinitionError && message.test(error.message),
    );
  refuses(new Nested(), /upload\(\) in the input of run\(\) must be a part of its own/);
  refuses(new InSession(), /must be the input of an @endpoint as a whole/);
  refuses(new AsOutput(), /must be the input of an @endpoint as a whole/);
});

test("the bytes of a body stay its own, whatever arrives on the connection after it", async () => {
  const app = new Bodies();
  await using served = await startTestServer(app);
  // Small and large ones, in one chunk and in several.
  const bodies = [10, 4_000, 5_000, 16_384, 70_000, 300_000].map((size, index) =>
    Buffer.alloc(size, 65 + index),
  );
  const headers = { connection: "keep-alive", "content-type": "application/octet-stream" };
  const requests = bodies.map((body) => rawRequest("POST", "/keep", headers, body));
  const last = rawRequest("POST", "/keep", { ...headers, connection: "close" }, Buffer.alloc(100_000, 90));
  const answers = await exchange(Number(new URL(served.url).port), Buffer.concat([...requests, last]));
  assert.equal(answers.match(/HTTP\/1\.1 200/g)?.length, 7);
  for (const [index, body] of bodies.entries())
    assert.ok(body.equals(app.kept[index] ?? Buffer.alloc(0)), `${body.length} bytes`);
});
