import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, mock, test } from "node:test";
import { AppException, UnauthorizedException, UsageError } from "../../../src/errors.ts";
import { verifyWebhook, type WebhookRequest } from "../../../src/webhooks/verify-webhook.ts";

/** A platform's keys at an address of their own: a set is kept for each address. */
class Keys {
  fetches = 0;
  keys: unknown[] = [];
  status = 200;
}

const sets = new Map<string, Keys>();
const server = createServer((request, response) => {
  const set = sets.get(request.url ?? "");
  if (set !== undefined) set.fetches++;
  response.statusCode = set?.status ?? 404;
  response.end(JSON.stringify({ keys: set?.keys ?? [] }));
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
after(() => server.close());
afterEach(() => mock.timers.reset());

function keysAt(path: string, ...keys: readonly KeyObject[]): { set: Keys; jwksUrl: string } {
  const set = new Keys();
  set.keys = keys.map((key) => key.export({ format: "jwk" }));
  sets.set(path, set);
  return { set, jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}` };
}

const own = generateKeyPairSync("ed25519");
const other = generateKeyPairSync("ed25519");
const NOW = 1_790_000_000_000;
const BODY = JSON.stringify({
  request_id: "r1",
  gateway_request_id: "g1",
  status: "OK",
  payload: { text: "Grüße" },
});

function delivery(
  { body = BODY, key = own.privateKey, at = NOW }: { body?: string; key?: KeyObject; at?: number } = {},
  changed: Readonly<Record<string, string | undefined>> = {},
): WebhookRequest {
  const timestamp = String(Math.floor(at / 1_000));
  // As the contract says it, independent of the function under test.
  const digest = createHash("sha256").update(body).digest("hex");
  const text = `r1\nu1\n${timestamp}\n${digest}`;
  return {
    headers: {
      "x-fal-webhook-request-id": "r1",
      "x-fal-webhook-user-id": "u1",
      "x-fal-webhook-timestamp": timestamp,
      "x-fal-webhook-signature": sign(null, Buffer.from(text), key).toString("hex"),
      ...changed,
    },
    body,
  };
}

function at(now: number): void {
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date"], now });
}

test("a delivery that the platform has signed is returned, from a Request, from bytes and from text", async () => {
  at(NOW);
  const { jwksUrl } = keysAt("/forms", other.publicKey, own.publicKey);
  const { headers, body } = delivery();
  const forms = [
    { headers, body },
    { headers: new Headers(headers as Record<string, string>), body: Buffer.from(body) },
    new Request("http://app.test/hook", {
      method: "POST",
      headers: headers as Record<string, string>,
      body: body as string,
    }),
    {
      headers: Object.fromEntries(
        Object.entries(headers as object).map(([name, value]) => [name.toUpperCase(), value]),
      ),
      body,
    },
  ];
  for (const form of forms) {
    assert.deepEqual(await verifyWebhook(form, { jwksUrl }), {
      ...{ requestId: "r1", gatewayRequestId: "g1", status: "OK", payload: { text: "Grüße" } },
      ...{ error: undefined, payloadError: undefined, userId: "u1" },
    });
  }
});

test("a failed request says why", async () => {
  at(NOW);
  const { jwksUrl } = keysAt("/failed", own.publicKey);
  const body = JSON.stringify({
    ...{ request_id: "r1", gateway_request_id: "g2", status: "ERROR", error: "Invalid status code: 422" },
    ...{ payload: null, payload_error: "The payload is not JSON." },
  });
  const found = await verifyWebhook(delivery({ body }), { jwksUrl });
  assert.equal(found.status, "ERROR");
  assert.equal(found.payload, null);
  assert.equal(found.error, "Invalid status code: 422");
  assert.equal(found.payloadError, "The payload is not JSON.");
});

const forged: Readonly<Record<string, () => WebhookRequest>> = {
  "another body": () => ({ ...delivery(), body: BODY.replace("OK", "ERROR") }),
  "another request": () => delivery({}, { "x-fal-webhook-request-id": "r2" }),
  "another user": () => delivery({}, { "x-fal-webhook-user-id": "u2" }),
  "another time": () => delivery({}, { "x-fal-webhook-timestamp": String(NOW / 1_000 + 1) }),
  "a key that is not the platform's": () => delivery({ key: other.privateKey }),
  "no signature": () => delivery({}, { "x-fal-webhook-signature": undefined }),
  "a signature that is no hex": () => delivery({}, { "x-fal-webhook-signature": "z".repeat(128) }),
  "half of a signature": () => delivery({}, { "x-fal-webhook-signature": "ab" }),
  "a time that is no number": () => delivery({}, { "x-fal-webhook-timestamp": "now" }),
  "a time of 301 s ago": () => delivery({ at: NOW - 301_000 }),
  "a time in 301 s": () => delivery({ at: NOW + 301_000 }),
  "a signed body that is not JSON": () => delivery({ body: "no" }),
  "a signed body of another request": () => delivery({ body: BODY.replace("r1", "r2") }),
};

for (const [what, make] of Object.entries(forged)) {
  test(`a delivery with ${what} is refused with 401`, async () => {
    at(NOW);
    const { jwksUrl } = keysAt(`/forged/${encodeURIComponent(what)}`, own.publicKey);
    await assert.rejects(verifyWebhook(make(), { jwksUrl }), (error: unknown) => {
      assert.ok(error instanceof UnauthorizedException);
      assert.match(error.message, /^The webhook is refused: .+\.$/);
      return true;
    });
  });
}

test("a delivery is accepted for as long as the tolerance says", async () => {
  at(NOW);
  const { jwksUrl } = keysAt("/tolerance", own.publicKey);
  await verifyWebhook(delivery({ at: NOW - 299_000 }), { jwksUrl });
  await verifyWebhook(delivery({ at: NOW - 900_000 }), { jwksUrl, toleranceSeconds: 1_000 });
  await assert.rejects(verifyWebhook(delivery({ at: NOW - 11_000 }), { jwksUrl, toleranceSeconds: 10 }));
});

test("keys with padding, as fal writes them, are read; keys of other kinds are ignored", async () => {
  at(NOW);
  const { set, jwksUrl } = keysAt("/padded", own.publicKey);
  const [key] = set.keys as { x: string }[];
  set.keys = [
    null,
    { kty: "RSA", n: "AQAB", e: "AQAB" },
    { kty: "OKP", crv: "Ed25519", x: "short" },
    { ...key, x: `${key?.x}=` },
  ];
  assert.equal((await verifyWebhook(delivery(), { jwksUrl })).requestId, "r1");
});

test("keys are fetched once for an hour; a signature of an unknown key fetches them again, at most once a minute", async () => {
  at(NOW);
  const { set, jwksUrl } = keysAt("/kept", own.publicKey);
  await Promise.all([1, 2, 3].map(() => verifyWebhook(delivery(), { jwksUrl })));
  assert.equal(set.fetches, 1);
  const unknown = (): Promise<unknown> =>
    verifyWebhook(delivery({ key: other.privateKey, at: Date.now() }), { jwksUrl });
  for (let forgery = 0; forgery < 5; forgery++) await assert.rejects(unknown());
  assert.equal(set.fetches, 1);
  at(NOW + 61_000);
  set.keys.push(other.publicKey.export({ format: "jwk" }));
  await unknown();
  assert.equal(set.fetches, 2);
  at(NOW + 3_700_000);
  await verifyWebhook(delivery({ at: NOW + 3_700_000 }), { jwksUrl });
  assert.equal(set.fetches, 3);
});

test("without the platform's keys, the answer is 503: it sends the webhook again", async () => {
  at(NOW);
  const { set, jwksUrl } = keysAt("/away", own.publicKey);
  set.status = 500;
  await assert.rejects(verifyWebhook(delivery(), { jwksUrl }), (error: unknown) => {
    assert.ok(error instanceof AppException);
    assert.equal(error.statusCode, 503);
    return true;
  });
  set.status = 200;
  await verifyWebhook(delivery(), { jwksUrl });
});

test("a parsed body, an unsafe address of keys and an invalid tolerance are the caller's mistakes", async () => {
  at(NOW);
  const { jwksUrl } = keysAt("/mistakes", own.publicKey);
  const parsed = { ...delivery(), body: JSON.parse(BODY) as never };
  await assert.rejects(verifyWebhook(parsed, { jwksUrl }), UsageError);
  for (const unsafe of ["http://keys.test/jwks.json", "file:///keys", "keys"]) {
    await assert.rejects(verifyWebhook(delivery(), { jwksUrl: unsafe }), /must be an https: address/);
  }
  await assert.rejects(verifyWebhook(delivery(), { jwksUrl, toleranceSeconds: -1 }), UsageError);
});
