import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type ClientHttp2Session } from "node:http2";
import { text as readText } from "node:stream/consumers";
import { Writable } from "node:stream";
import { after, before, test } from "node:test";
import {
  create,
  ScalarType,
  toBinary,
  type DescField,
  type DescMessage,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import fc, { type Arbitrary } from "fast-check";
import pino from "pino";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { TestPlatform } from "../helpers/self-host.ts";

/** More by hand: `SERVABLE_TEST_FUZZ_RUNS=20000`. */
const RUNS = Number(process.env["SERVABLE_TEST_FUZZ_RUNS"] ?? 600);
/** Time after which an answer counts as a hang, in milliseconds. */
const HANG_MS = 20_000;
const SECRET = "the-value-of-a-secret-9f2c";

let host: TestPlatform;
let session: ClientHttp2Session;
let otherId = "";
/** Unexpected errors that the platform has logged. */
const failures: string[] = [];

before(async () => {
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      failures.push(chunk.toString());
      done();
    },
  });
  host = await TestPlatform.start({ engine: "process", log: pino({ level: "error" }, sink) });
  using connection = host.connection();
  const { createEnvironment, setSecret, createUserKey } = IsolateController.method;
  await connection.unary(createEnvironment, { name: "other" });
  await connection.unary(setSecret, { name: "HIDDEN", value: SECRET, environmentName: "other" });
  await connection.unary(setSecret, { name: "HIDDEN", value: SECRET });
  otherId = (await connection.unary(createUserKey, { policyPreset: "READONLY" })).keyId;
  session = connect(host.url);
  session.on("error", () => {});
});
after(async () => {
  session?.destroy();
  await host?.[Symbol.asyncDispose]();
});

/** Texts that lead somewhere more often than others do. */
const texts: Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    ...["main", "other", "HIDDEN", "container", "virtualenv", "", ".", "..", "../x", "a/b", "%2e%2e", "a b"],
    ...["x\0y", "-1", "null", "__proto__", "constructor", "é", "x".repeat(5_000)],
    ...["00000000-0000-0000-0000-000000000000", "' or 1=1 --", "0".repeat(64)],
  ),
  fc.constant("other id").map(() => otherId),
  fc.string({ unit: "binary", maxLength: 20 }),
);

const number32 = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 1, 2 ** 31 - 1, -(2 ** 31)));
const unsigned32 = fc.oneof(fc.nat(10), fc.integer({ min: 0, max: 2 ** 32 - 1 }));

function scalars(type: ScalarType): Arbitrary<unknown> {
  if (type === ScalarType.STRING) return texts;
  if (type === ScalarType.BYTES) return fc.uint8Array({ maxLength: 50 });
  if (type === ScalarType.BOOL) return fc.boolean();
  if (type === ScalarType.DOUBLE) return fc.double();
  if (type === ScalarType.FLOAT) return fc.float();
  if ([ScalarType.UINT32, ScalarType.FIXED32].includes(type)) return unsigned32;
  if ([ScalarType.UINT64, ScalarType.FIXED64].includes(type))
    return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  if ([ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64].includes(type))
    return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  return number32;
}

function single(field: DescField, depth: number): Arbitrary<unknown> {
  if (field.scalar !== undefined) return scalars(field.scalar);
  if (field.enum !== undefined) return fc.oneof(fc.nat(5), fc.constantFrom(99, -1));
  return field.message === undefined ? fc.constant(undefined) : messages(field.message, depth + 1);
}

/** Messages of a kind: of its fields some are set, with any value that can be sent. */
function messages(kind: DescMessage, depth: number = 0): Arbitrary<object> {
  // A field of this kind takes the JSON itself.
  if (kind.typeName === "google.protobuf.Struct") {
    const image = fc.record({ dockerfile_str: texts });
    const values = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as object);
    return fc.oneof(
      image.map((each) => ({ image: each })),
      values.map((value) => ({ image: value })),
      fc.dictionary(fc.string({ unit: "grapheme-ascii" }), fc.string({ unit: "grapheme-ascii" })),
    );
  }
  const shapes: Record<string, Arbitrary<unknown>> = {};
  for (const field of kind.fields) {
    if (field.oneof !== undefined || depth > 3) continue;
    if (field.fieldKind === "list")
      shapes[field.localName] = fc.array(single(field, depth), { maxLength: 3 });
    else if (field.fieldKind === "map") continue;
    else shapes[field.localName] = single(field, depth);
  }
  for (const group of kind.oneofs) {
    const [first] = group.fields;
    if (first === undefined || depth > 3) continue;
    shapes[group.localName] = fc.oneof(
      ...group.fields.map((field) => single(field, depth).map((value) => ({ case: field.localName, value }))),
    );
  }
  return fc.record(shapes, { requiredKeys: [] });
}

/** A message in the frame of gRPC. */
function framed(message: Uint8Array, length: number = message.length, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

interface GrpcAnswer {
  readonly status: string;
  readonly text: string;
}

/** Sends bytes to a method, and ends. */
async function send(method: string, body: Uint8Array): Promise<GrpcAnswer> {
  const [id = "", secret = ""] = host.key.split(":");
  const stream = session.request({
    ...{ ":method": "POST", ":path": `/${IsolateController.typeName}/${method}` },
    ...{ "content-type": "application/grpc+proto", te: "trailers", "auth-key-id": id, "auth-key": secret },
  });
  stream.setTimeout(HANG_MS, () => stream.destroy(new Error(`${method} hangs`)));
  let status = "";
  let message = "";
  const note = (headers: Record<string, unknown>): void => {
    status = String(headers["grpc-status"] ?? status);
    message += String(headers["grpc-message"] ?? "");
  };
  stream.on("response", note).on("trailers", note);
  stream.end(body);
  const content = await readText(stream);
  return { status, text: decodeURIComponent(message) + content };
}

function assertHarmless(text: string, what: string): void {
  assert.ok(!text.includes(SECRET), `${what} has the value of a secret`);
  assert.doesNotMatch(text, /\bat .*\.[jt]s:\d+|node:internal/, `${what} has a stack`);
}

const methods = fc.constantFrom(...IsolateController.methods);

test("bytes that are no messages get an error at every call, and harm nobody", async () => {
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => framed(bytes)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => framed(bytes, bytes.length, 1)),
    fc.tuple(fc.uint8Array({ maxLength: 50 }), unsigned32).map(([bytes, length]) => framed(bytes, length)),
    fc.uint8Array({ maxLength: 50 }),
  );
  await fc.assert(
    fc.asyncProperty(methods, bodies, async ({ name }, body) => {
      const { status, text } = await send(name, body);
      assert.notEqual(status, "", `${name} ends without a status`);
      assertHarmless(text, name);
    }),
    { numRuns: RUNS },
  );
});

test("random messages at every call, whole and cut: no stack, no secret, no hang", async () => {
  const calls = methods.chain((method) =>
    fc.record({
      name: fc.constant(method.name),
      bytes: messages(method.input).map((init) =>
        toBinary(method.input, create(method.input, init as MessageInitShape<typeof method.input>)),
      ),
      cut: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
    }),
  );
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(calls, async ({ name, bytes, cut }) => {
      const { status, text } = await send(name, framed(bytes.subarray(0, Math.floor(bytes.length * cut))));
      seen.set(status, (seen.get(status) ?? 0) + 1);
      assert.notEqual(status, "", `${name} ends without a status`);
      assertHarmless(text, name);
    }),
    { numRuns: RUNS },
  );
  assert.ok((seen.get("0") ?? 0) > 0, `no call has succeeded: ${JSON.stringify([...seen])}`);
});

const ROUTES: readonly string[] = [
  ...["/health", "/users/current", "/users/teams", "/tokens", "/metrics", "/platform/status"],
  ...["/platform/apps/*/decisions", "/platform/apps/*/load", "/runners/*", "/logs/history", "/logs/stream"],
  ...["/files/missing_hashes", "/files/app/multipart/*/initiate", "/files/app/multipart/*/*/*"],
  ...["/files/app/multipart/*/*/complete", "/files/app/multipart/*/*/cancel", "/keys/*/rotate"],
  ...[
    "/_platform/runners/*/ready",
    "/_platform/kv/get/*/*",
    "/_platform/kv/set/*/*",
    "/me/*",
    "/me/*/*",
    "/*",
  ],
];

/** Sends a request. @returns the status, and the beginning of the answer */
async function ask(request: {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}): Promise<{ status: number; text: string }> {
  const { method, path, body, headers } = request;
  const { hostname, port } = new URL(host.url);
  const sent = httpRequest({ ...{ hostname, port, method, path, agent: false }, headers });
  sent.setTimeout(HANG_MS, () => sent.destroy(new Error(`${method} ${path} hangs`)));
  sent.end(body);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, text: await readText(answer) };
}

test("random requests at every route: no stack, no secret, no hang", async () => {
  const segments = texts.map((text) => encodeURIComponent([...text].slice(0, 300).join("")));
  const paths = fc
    .tuple(fc.constantFrom(...ROUTES), fc.array(segments, { minLength: 4, maxLength: 4 }))
    .map(([route, values]) => {
      let index = 0;
      return route.replaceAll("*", () => values[index++] ?? "");
    });
  const names = fc.constantFrom("job_id", "limit", "hours", "since", "until", "ttl", "fal_jwt_token");
  const queries = fc
    .array(fc.tuple(names, segments), { maxLength: 3 })
    .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join("&"));
  const values = fc.constantFrom(
    "0",
    "-1",
    "text/plain",
    "multipart/form-data; boundary=x",
    "Bearer x.y.z",
    "é",
  );
  const headerNames = fc.constantFrom(
    ...["content-type", "x-fal-request-timeout", "x-fal-runner-hint", "x-fal-request-id", "origin", "accept"],
  );
  const requests = fc.record({
    method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"),
    path: fc.tuple(paths, queries).map(([path, query]) => `${path}?${query}`),
    headers: fc
      .tuple(fc.dictionary(headerNames, values, { maxKeys: 3 }), fc.integer({ min: 0, max: 3 }))
      .map(([headers, kind]) => ({
        ...headers,
        ...(kind === 0 ? {} : { authorization: kind === 1 ? "Key a:b" : `Key ${host.key}` }),
      })),
    body: fc.oneof(
      fc.constant(""),
      fc.uint8Array({ maxLength: 300 }),
      fc.json({ maxDepth: 2 }),
      fc
        .record({ hashes: fc.array(texts), parts: fc.array(fc.jsonValue()), allowed_apps: fc.array(texts) })
        .map((each) => JSON.stringify(each)),
    ),
  });
  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      const { status, text } = await ask(request);
      seen.set(status, (seen.get(status) ?? 0) + 1);
      assert.ok(status !== 500, `${request.method} ${request.path}: ${text} ${failures.at(-1)}`);
      assertHarmless(text, request.path);
    }),
    { numRuns: RUNS * 2 },
  );
  assert.ok((seen.get(200) ?? 0) > 0 && (seen.get(404) ?? 0) > 0, JSON.stringify([...seen]));
});

test("the platform answers as before, and none of its errors was unexpected", async (context) => {
  assert.equal((await fetch(`${host.url}/health`)).status, 200);
  using connection = host.connection();
  const { secrets } = await connection.unary(IsolateController.method.listSecrets, {});
  assert.ok(secrets.some(({ name }) => name === "HIDDEN"));
  const unexpected = [...new Set(failures.map((line) => /"error":"([^\\]*)/.exec(line)?.[1] ?? line))];
  context.diagnostic(`${failures.length} unexpected errors: ${unexpected.slice(0, 20).join(" | ")}`);
  assert.deepEqual(unexpected, []);
});
