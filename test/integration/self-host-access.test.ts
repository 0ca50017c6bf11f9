import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Code, ConnectError, createClient, type Client } from "@connectrpc/connect";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { Database } from "../../src/controller/store/database.ts";
import { PostgresServer } from "../../src/controller/store/postgres-server.ts";
import { TestPlatform } from "../helpers/self-host.ts";

let host: TestPlatform;
let apiKey: string;
before(async () => {
  host = await TestPlatform.start({ engine: "process" });
  using connection = host.connection();
  const { keyId, keySecret } = await connection.unary(IsolateController.method.createUserKey, {
    policyPreset: "API",
  });
  apiKey = `${keyId}:${keySecret}`;
});
after(async () => host?.[Symbol.asyncDispose]());

/** A client with these headers. */
function clientWith(headers: Readonly<Record<string, string>>): Client<typeof IsolateController> {
  return createClient(
    IsolateController,
    createGrpcTransport({
      baseUrl: host.url,
      interceptors: [
        (next) => (request) => {
          for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
          return next(request);
        },
      ],
    }),
  );
}

/** The code with which a call fails; undefined if it succeeds. */
async function failureOf(
  client: Client<typeof IsolateController>,
  name: keyof typeof IsolateController.method,
): Promise<Code | undefined> {
  const method = IsolateController.method[name];
  try {
    if (method.methodKind === "unary") await (client[name] as (input: object) => Promise<unknown>)({});
    else {
      const input = method.methodKind === "bidi_streaming" ? (async function* () {})() : {};
      for await (const _ of (client[name] as (input: unknown) => AsyncIterable<unknown>)(input)) break;
    }
    return undefined;
  } catch (error) {
    return ConnectError.from(error).code;
  }
}

const methods = Object.keys(IsolateController.method) as (keyof typeof IsolateController.method)[];

test("no call of the control plane is answered without a valid key", async () => {
  const [id = "", secret = ""] = host.key.split(":");
  const credentials: readonly Readonly<Record<string, string>>[] = [
    {},
    { "auth-key-id": id },
    { "auth-key": secret },
    { "auth-key-id": id, "auth-key": secret.replace(/.$/, (last) => (last === "0" ? "1" : "0")) },
    { "auth-key-id": secret, "auth-key": id },
    { authorization: `Key ${id}` },
    { authorization: "Bearer eyJhbGciOiJub25lIn0.eyJhcHBzIjpbIngiXX0." },
  ];
  for (const headers of credentials) {
    const client = clientWith(headers);
    for (const name of methods) {
      assert.equal(
        await failureOf(client, name),
        Code.Unauthenticated,
        `${name} with ${JSON.stringify(Object.keys(headers))}`,
      );
    }
  }
});

test("a key that may only call apps may do nothing else", async () => {
  const client = clientWith({ authorization: `Key ${apiKey}` });
  for (const name of methods) {
    const code = await failureOf(client, name);
    assert.ok(code === Code.PermissionDenied || code === Code.Unimplemented, `${name}: ${code}`);
  }
});

test("no route is answered without a key but health, and each needs its permission", async () => {
  const id = "00000000-0000-0000-0000-000000000000";
  const hash = "0".repeat(64);
  const routes = [
    ["GET", "/users/current"],
    ["GET", "/users/teams"],
    ["GET", "/platform/status"],
    ["GET", "/platform/apps/x/decisions"],
    ["GET", `/runners/${id}`],
    ["POST", "/logs/history?job_id=x"],
    ["POST", "/logs/stream?job_id=x"],
    ["POST", "/files/missing_hashes"],
    ["POST", `/files/app/multipart/${hash}/initiate`],
    ["PUT", `/files/app/multipart/${hash}/${id}/1`],
    ["POST", `/files/app/multipart/${hash}/${id}/complete`],
    ["POST", `/files/app/multipart/${hash}/${id}/cancel`],
    ["POST", `/_platform/runners/${id}/ready`],
  ] as const;
  for (const [method, path] of routes) {
    for (const variant of [path, path.replace("/", "//"), `${path.split("?")[0]}/`]) {
      const body = method === "GET" ? {} : { body: "{}" };
      const without = await fetch(host.url + variant, { method, ...body });
      assert.ok(
        without.status === 401 || without.status === 404 || without.status === 400,
        `${method} ${variant}: ${without.status}`,
      );
      const authorization = `Key ${apiKey}`;
      const withOther = await fetch(host.url + variant, { method, ...body, headers: { authorization } });
      assert.ok([400, 401, 403, 404].includes(withOther.status), `${method} ${variant}: ${withOther.status}`);
      assert.doesNotMatch(await withOther.text(), /upload_id|nickname|uptimeSeconds/);
    }
  }
  assert.equal((await fetch(`${host.url}/health`)).status, 200);
});

test("names of apps and files that lead elsewhere are refused, and nothing is written", async () => {
  for (const path of [
    "/me/..",
    "/me/%2e%2e/x",
    "/me/a%2fb",
    "/../etc/passwd",
    "/me//x",
    "/ME/greeter",
    "/me/..%2f",
  ]) {
    const socket = connect(Number(new URL(host.url).port), "127.0.0.1");
    socket.end(
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Key ${host.key}\r\n\r\n`,
    );
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    assert.match(Buffer.concat(chunks).toString("latin1"), /^HTTP\/1\.1 40[04] /, path);
  }
  const client = clientWith({ authorization: `Key ${host.key}` });
  const environments = [{ kind: "container", configuration: { image: { dockerfile_str: "FROM x" } } }];
  for (const relativePath of ["../x", "/etc/passwd", "a/../../b", "a//b", "", "a\\b", "./a"]) {
    const files = [{ hash: "0".repeat(64), relativePath }];
    const work = async (): Promise<void> => {
      for await (const _ of client.registerApplication({ applicationName: "x", environments, files })) break;
    };
    await assert.rejects(work(), /is not one of a file in the app/, relativePath);
  }
  for (const name of ["../x", "a/b", "", "a b", "-x"]) {
    const work = async (): Promise<void> => {
      for await (const _ of client.registerApplication({ applicationName: name, environments })) break;
    };
    await assert.rejects(work(), /can't be the name of an app/, name);
  }
});

test("what the platform does not have is refused by name: agents in Python, volumes, containers", async () => {
  const client = clientWith({ authorization: `Key ${host.key}` });
  const build = async (kind: string): Promise<void> => {
    for await (const _ of client.buildEnvironment({ environments: [{ kind, configuration: {} }] })) break;
  };
  await assert.rejects(
    build("virtualenv"),
    /not environments of kind "virtualenv": they need an agent in Python/,
  );
  const own = [{ kind: "container", configuration: { image: { dockerfile_str: "FROM node:20" } } }];
  const register = async (): Promise<void> => {
    for await (const _ of client.registerApplication({ applicationName: "own", environments: own })) break;
  };
  const mounting = async (): Promise<void> => {
    const request = { applicationName: "own", environments: own, dataMounts: ["/data"] };
    for await (const _ of client.registerApplication(request)) break;
  };
  await assert.rejects(mounting(), /has no shared volumes: leave dataMounts out/);
  await assert.rejects(
    register(),
    /has an image or a Dockerfile of its own, and needs Docker or Podman, which this platform does not use/,
  );
});

test("connections with garbage, half a preface or nothing harm nobody", async () => {
  const port = Number(new URL(host.url).port);
  const beginnings = [
    randomBytes(200),
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), randomBytes(300)]),
    Buffer.from("PRI * HTTP/2"),
    Buffer.from("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n"),
    Buffer.from("\u0016\u0003\u0001garbage"),
    Buffer.alloc(0),
  ];
  const sockets = beginnings.flatMap((bytes) =>
    [1, 2, 3].map(() => {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      socket.write(bytes);
      return socket;
    }),
  );
  const health = await fetch(`${host.url}/health`);
  assert.equal(health.status, 200);
  for (const socket of sockets) {
    socket.destroy();
    if (!socket.closed) await once(socket, "close");
  }
  assert.equal((await fetch(`${host.url}/health`)).status, 200);
  assert.equal(await failureOf(clientWith({ authorization: `Key ${host.key}` }), "listAliases"), undefined);
});

test("a key that was revoked opens nothing any more", async () => {
  const client = clientWith({ authorization: `Key ${host.key}` });
  const { keyId, keySecret } = await client.createUserKey({ policyPreset: "READONLY" });
  const other = clientWith({ "auth-key-id": keyId, "auth-key": keySecret });
  assert.equal(await failureOf(other, "listAliases"), undefined);
  assert.equal(await failureOf(other, "createEnvironment"), Code.PermissionDenied);
  await client.revokeUserKey({ keyId });
  assert.equal(await failureOf(other, "listAliases"), Code.Unauthenticated);
  await assert.rejects(client.createUserKey({ policyPreset: "FUL" }), /no preset "FUL"; did you mean "FULL"/);
  await assert.rejects(
    client.createUserKey({ policy: { permissions: ["serverless:app:read"] } }),
    /did you mean "serverless:apps:read"/,
  );
});

test("an unexpected error is logged, and its message does not reach the caller", async () => {
  const client = clientWith({ authorization: `Key ${host.key}` });
  const failure = async (applicationName: string): Promise<ConnectError | undefined> =>
    client.listApplications({ applicationName }).then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
  const database = await Database.open(PostgresServer.connectionOf(join(host.folder, "postgres")));
  await database.query("alter table revisions rename to moved");
  const error = await failure("x").finally(() => database.query("alter table moved rename to revisions"));
  await database.close();
  assert.equal(error?.code, Code.Internal);
  assert.doesNotMatch(error?.message ?? "", /revisions|relation/);
  const refused = await failure("x\u0000y");
  assert.equal(refused?.code, Code.InvalidArgument);
  assert.match(refused?.message ?? "", /a text with a zero byte/);
});

test("an upload that can't be written to the disk is answered, and the next one works", async () => {
  const parts = join(host.folder, "files/parts");
  const hash = "0".repeat(64);
  const put = async (): Promise<Response> => {
    const form = new FormData();
    // More than fits into the buffers between the connection and the disk.
    form.append("file_upload", new Blob([Buffer.alloc(8_000_000)]), "chunk");
    const authorization = `Key ${host.key}`;
    const path = `/files/app/multipart/${hash}/00000000-0000-0000-0000-000000000000/1`;
    return fetch(host.url + path, { method: "PUT", body: form, headers: { authorization } });
  };
  rmSync(parts, { recursive: true });
  const failed = await put();
  assert.equal(failed.status, 500);
  assert.doesNotMatch(await failed.text(), /ENOENT|parts/);
  mkdirSync(parts);
  assert.equal((await put()).status, 200);
});

test("an environment is deleted with its secrets, and not while it has apps", async () => {
  const client = clientWith({ authorization: `Key ${host.key}` });
  await client.createEnvironment({ name: "short" });
  await client.setSecret({ name: "A", value: "1", environmentName: "short" });
  await assert.rejects(client.createEnvironment({ name: "short" }), /already/);
  await client.deleteEnvironment({ name: "short" });
  await assert.rejects(client.deleteEnvironment({ name: "short" }), /no environment short/);
  await assert.rejects(client.deleteEnvironment({ name: "main" }), /can't be deleted/);
  const { secrets } = await client.listSecrets({});
  assert.deepEqual(secrets, []);
});
