import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { App, endpoint, jwt, type JwtOptions, type RequestContext } from "servable";
import { startTestServer } from "servable/testing";
import { captureLogs } from "../helpers/captured-logs.ts";

const ISSUER = "https://login.example/";
const AUDIENCE = "https://api.example";
const first = await generateKeyPair("ES256", { extractable: true });
const second = await generateKeyPair("ES256", { extractable: true });
const publicOf = async (pair: typeof first, kid?: string): Promise<Record<string, unknown>> => ({
  ...(await exportJWK(pair.publicKey)),
  ...(kid === undefined ? {} : { kid, alg: "ES256" }),
});

/** The server with the key set. */
let keys: Record<string, unknown>[] = [];
let status = 200;
let fetches = 0;
let keyServer: Server;
let jwks = "";
before(async () => {
  keys = [await publicOf(first, "one")];
  keyServer = createServer((_request, response) => {
    fetches++;
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ keys }));
  }).listen(0, "127.0.0.1");
  await once(keyServer, "listening");
  jwks = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/`;
});
after(() => keyServer.close());

function sign(
  claims: JWTPayload = {},
  { pair = first, kid = "one" as string | null, alg = "ES256", exp = "5m" as string | number | null } = {},
): Promise<string> {
  const token = new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub: "alice", ...claims });
  token.setProtectedHeader({ alg, ...(kid === null ? {} : { kid }) });
  if (exp !== null) token.setExpirationTime(exp);
  return token.sign(pair.privateKey);
}

function appWith(options: Partial<JwtOptions> = {}): App {
  class Painter extends App {
    static override auth = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks, ...options });
    @endpoint("/")
    who(ctx: RequestContext<{ caller: { sub: string } }>): string {
      return ctx.caller.sub;
    }
  }
  return new Painter();
}

async function statusWith(app: App, token: string): Promise<number> {
  await using served = await startTestServer(app);
  return (await served.post("/", undefined, { authorization: `Bearer ${token}` })).status;
}

test("a valid token's claims are the caller; the key set is fetched once", async () => {
  fetches = 0;
  await using served = await startTestServer(appWith());
  assert.equal(fetches, 0);
  for (let count = 0; count < 3; count++) {
    const answer = await served.post("/", undefined, { authorization: `Bearer ${await sign()}` });
    assert.equal(await answer.json(), "alice");
  }
  assert.equal(fetches, 1);
});

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const now = (): number => Math.floor(Date.now() / 1000);

const INVALID: Readonly<Record<string, () => Promise<string>>> = {
  "of another issuer": () => sign({ iss: "https://evil.example/" }),
  "for another audience": () => sign({ aud: "https://other.example" }),
  "that has expired": () => sign({}, { exp: now() - 60 }),
  "that is not valid yet": () => sign({ nbf: now() + 60 }),
  "without expiry": () => sign({}, { exp: null }),
  "signed by another key": () => sign({}, { pair: second }),
  "of an unknown key": () => sign({}, { kid: "unknown" }),
  "without a signature": async () =>
    `${encode({ alg: "none" })}.${encode({ iss: ISSUER, aud: AUDIENCE, exp: now() + 60 })}.`,
  "signed by HS256 with the public key": async () => {
    const secret = new TextEncoder().encode(await exportSPKI(first.publicKey));
    return new SignJWT({ iss: ISSUER, aud: AUDIENCE })
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .setExpirationTime("5m")
      .sign(secret);
  },
  "whose payload was changed": async () => {
    const [head, , signature] = (await sign()).split(".");
    return `${head}.${encode({ iss: ISSUER, aud: AUDIENCE, sub: "admin", exp: now() + 60 })}.${signature}`;
  },
  "that brings its own key": async () => {
    const jwk = await publicOf(second);
    const token = new SignJWT({ iss: ISSUER, aud: AUDIENCE }).setExpirationTime("5m");
    return token.setProtectedHeader({ alg: "ES256", jwk, kid: "two" }).sign(second.privateKey);
  },
  "that is no token": async () => "a.b.c",
};

for (const [name, create] of Object.entries(INVALID)) {
  test(`a token ${name} is refused with 401`, async () => {
    assert.equal(await statusWith(appWith(), await create()), 401);
  });
}

test("an algorithm that is not listed is refused, and clocks may differ a little", async () => {
  assert.equal(await statusWith(appWith({ algorithms: ["RS256"] }), await sign()), 401);
  assert.equal(
    await statusWith(appWith({ clockToleranceSeconds: 120 }), await sign({}, { exp: now() - 60 })),
    200,
  );
});

test("a token without a key id is checked with every key that fits", async () => {
  const local = { keys: [await publicOf(second), await publicOf(first)] };
  assert.equal(await statusWith(appWith({ jwks: local }), await sign({}, { kid: null })), 200);
  const third = await generateKeyPair("ES256");
  assert.equal(await statusWith(appWith({ jwks: local }), await sign({}, { kid: null, pair: third })), 401);
});

test("a token without the scope gets 403", async () => {
  const scopes = ["draw", "sign"];
  assert.equal(await statusWith(appWith({ scopes }), await sign({ scope: "read draw sign" })), 200);
  assert.equal(await statusWith(appWith({ scopes }), await sign({ scp: ["draw", "sign"] })), 200);
  assert.equal(await statusWith(appWith({ scopes }), await sign({ scope: "draw" })), 403);
});

test("a key set that can't be fetched is answered with 503, and the cause is logged", async () => {
  const { logger, lines } = captureLogs();
  await using served = await startTestServer(appWith(), { logger });
  const ask = async (): Promise<Response> =>
    served.post("/", undefined, { authorization: `Bearer ${await sign()}` });
  status = 500;
  try {
    const answer = await ask();
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("www-authenticate"), null);
    assert.ok(lines.some(({ msg }) => /can't be authenticated/.test(msg)));
    assert.equal((await served.post("/")).status, 401);
  } finally {
    status = 200;
  }
  assert.equal((await ask()).status, 200);
});

test("options that would weaken the check are refused", async () => {
  const good = { issuer: ISSUER, audience: AUDIENCE, jwks: "https://keys.example/" };
  const secret = { keys: [{ kty: "oct", k: "AAAA" }] };
  const cases: [object, RegExp][] = [
    [{ algorithms: ["HS256"] }, /HS256 is not accepted/],
    [{ algorithms: ["none"] }, /none is not accepted/],
    [{ algorithms: [] }, /algorithms must be/],
    [{ issuer: undefined }, /issuer must be/],
    [{ audience: [] }, /audience must be/],
    [{ jwks: "http://keys.example/" }, /https/],
    [{ jwks: secret }, /kty oct/],
    [{ jwks: { keys: [await exportJWK(first.privateKey)] } }, /private key/],
    [{ isuer: "x" }, /did you mean "issuer"/],
    [{ clockToleranceSeconds: -1 }, /clockToleranceSeconds must be/],
  ];
  for (const [change, message] of cases) assert.throws(() => jwt({ ...good, ...change }), message);
});
