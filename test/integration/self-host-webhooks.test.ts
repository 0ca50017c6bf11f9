import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import pino from "pino";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { SecretBox } from "../../src/controller/state/secrets.ts";
import { listWebhooks, MAX_ANSWER_BYTES, type WebhookRow } from "../../src/controller/state/webhooks.ts";
import { Database } from "../../src/controller/store/database.ts";
import { migrate } from "../../src/controller/store/migrations.ts";
import { PostgresServer } from "../../src/controller/store/postgres-server.ts";
import { webhookBody } from "../../src/controller/webhooks/webhook-body.ts";
import { RETRY_SECONDS, WebhookSender } from "../../src/controller/webhooks/webhook-sender.ts";
import { WebhookSigner } from "../../src/controller/webhooks/webhook-signer.ts";
import { createResolver, resolveBySystem } from "../../src/network/host-names.ts";
import { createPublicCheck } from "../../src/network/public-address.ts";
import { verifyWebhook } from "../../src/webhooks/verify-webhook.ts";
import { appProject, platformFolder, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

/** A receiver of webhooks, which answers as it is told. */
class Receiver implements AsyncDisposable {
  readonly got: {
    readonly path: string;
    readonly headers: IncomingMessage["headers"];
    readonly body: Buffer;
  }[] = [];
  readonly #server = createServer((request, response) => void this.#handle(request, response));
  answer: (response: ServerResponse, path: string) => void = (response) => response.end();

  static async listen(host: string = "127.0.0.1"): Promise<Receiver> {
    const receiver = new Receiver();
    receiver.#server.listen(0, host);
    await once(receiver.#server, "listening");
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.got.push({
      path: `${request.method} ${request.url}`,
      headers: request.headers,
      body: Buffer.concat(chunks),
    });
    this.answer(response, request.url ?? "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const GREETER = `
import { Type } from "${typebox}";
import { App, endpoint } from "servable";
export default class Greeter extends App {
  @endpoint("/", { input: Type.Object({ name: Type.String() }), output: Type.Object({ text: Type.String() }) })
  async greet({ name }) { return { text: "Hello " + name }; }
}
`;

const ANSWER = Buffer.from('{"n":1.0}');
const bodyOf = (requestId: string): Buffer =>
  webhookBody({ requestId, requestAttempt: 1, status: 200, answer: ANSWER, answerBytes: ANSWER.length });

describe("the webhooks of a platform", () => {
  const folder = platformFolder();
  const log = pino({ level: "silent" });
  let server: PostgresServer;
  let database: Database;
  let signer: WebhookSigner;
  /** The time of all senders, in ms. */
  let time = Date.UTC(2030, 0, 1);
  const now = (): Date => new Date(time);

  before(async () => {
    server = await PostgresServer.start({ folder: join(folder, "postgres") });
    database = await Database.open(server.connection);
    await migrate(database);
    signer = await WebhookSigner.open(database, SecretBox.open(join(folder, "secrets.key")), "local|me");
  });
  after(async () => {
    await database.close();
    await server.stop();
    removePlatformFolder(folder);
  });

  function start(isAllowed: (address: string) => boolean = () => true): WebhookSender & AsyncDisposable {
    const network = { resolve: isAllowed("127.0.0.1") ? resolveBySystem : createResolver(), isAllowed };
    const sender = new WebhookSender({ database, signer, log, now, network });
    return Object.assign(sender, { [Symbol.asyncDispose]: () => sender.close() });
  }

  /** As the end of a request does it. */
  async function insert(url: string, requestId: string): Promise<void> {
    await database.query(
      `insert into webhooks (environment, app, request_id, url, host, request_attempt, status, answer, answer_bytes,
         next_at, created_at)
       values ('main', 'greeter', $1, $2, $3, 1, 200, $4, $5, $6, $6)`,
      [requestId, url, new URL(url).host, ANSWER, ANSWER.length, now()],
    );
  }

  async function rowOf(requestId: string, isReached: (row: WebhookRow) => boolean): Promise<WebhookRow> {
    for (;;) {
      const [row] = await listWebhooks(database, requestId);
      if (row !== undefined && isReached(row)) return row;
      await delay(10);
    }
  }

  const ended = ({ state }: WebhookRow): boolean => state !== "waiting";
  const attempted =
    (count: number) =>
    ({ attempts }: WebhookRow): boolean =>
      attempts.length >= count;

  test("are sent with the app's own JSON, and its attempt is listed", async () => {
    await using receiver = await Receiver.listen();
    await using sender = start();
    await insert(`${receiver.url}/hook?a=1`, "delivered");
    sender.wake();
    const { state, attempts } = await rowOf("delivered", ended);
    assert.equal(state, "delivered");
    assert.deepEqual(
      attempts.map(({ attempt, status, error }) => ({ attempt, status, error })),
      [{ attempt: 1, status: 200, error: null }],
    );
    const [got] = receiver.got;
    assert.equal(got?.path, "POST /hook?a=1");
    assert.equal(got?.headers["content-type"], "application/json");
    assert.match(got?.body.toString() ?? "", /"payload":\{"n":1\.0\}\}$/);
  });

  test("are sent eleven times within two hours, each time with the same id and body, and then have failed", async () => {
    await using receiver = await Receiver.listen();
    receiver.answer = (response) => response.writeHead(503).end();
    await using sender = start();
    await insert(receiver.url, "failing");
    const startedAt = time;
    for (let attempt = 1; attempt <= RETRY_SECONDS.length; attempt++) {
      sender.wake();
      const { state, nextAt } = await rowOf("failing", attempted(attempt));
      assert.equal(state, "waiting");
      assert.equal(nextAt?.getTime(), time + (RETRY_SECONDS[attempt - 1] as number) * 1_000);
      time = nextAt.getTime() - 1;
      sender.wake();
      time++;
    }
    sender.wake();
    const { state, nextAt, attempts } = await rowOf("failing", ended);
    assert.equal(state, "failed");
    assert.equal(nextAt, null);
    assert.equal(attempts.length, 11);
    assert.deepEqual(new Set(attempts.map(({ error }) => error)), new Set(["The receiver answered 503."]));
    assert.ok(time - startedAt <= 7_200_000);
    assert.equal(receiver.got.length, 11);
    assert.equal(new Set(receiver.got.map(({ body }) => body.toString())).size, 1);
    assert.equal(new Set(receiver.got.map(({ headers }) => headers["x-fal-webhook-request-id"])).size, 1);
  });

  const redirects: Readonly<Record<number, RegExp | undefined>> = {
    301: undefined,
    302: undefined,
    303: /redirects \(303\) with a GET, which would lose the body/,
    307: undefined,
    308: undefined,
    304: /redirects \(304\) to no valid address/,
  };
  for (const [status, refusal] of Object.entries(redirects)) {
    test(`a redirect with ${status} is ${refusal === undefined ? "followed by POST" : "refused with its reason"}`, async () => {
      await using receiver = await Receiver.listen();
      receiver.answer = (response, path) => {
        if (path === "/new") response.end();
        else response.writeHead(Number(status), status === "304" ? {} : { location: "/new" }).end();
      };
      await using sender = start();
      await insert(`${receiver.url}/old`, `redirect-${status}`);
      sender.wake();
      const { state, attempts } = await rowOf(`redirect-${status}`, ended);
      assert.equal(state, refusal === undefined ? "delivered" : "failed");
      if (refusal === undefined) {
        assert.deepEqual(
          receiver.got.map(({ path }) => path),
          ["POST /old", "POST /new"],
        );
        assert.deepEqual(receiver.got[1]?.body, bodyOf(`redirect-${status}`));
      } else assert.match(attempts[0]?.error ?? "", refusal);
    });
  }

  test("redirects without an end are not followed for ever", async () => {
    await using receiver = await Receiver.listen();
    receiver.answer = (response) => response.writeHead(307, { location: "/" }).end();
    await using sender = start();
    await insert(receiver.url, "circle");
    sender.wake();
    const { attempts } = await rowOf("circle", attempted(1));
    assert.match(attempts[0]?.error ?? "", /redirects more than 5 times/);
    assert.equal(receiver.got.length, 6);
  });

  for (const host of [
    "127.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "10.0.0.1",
    "169.254.169.254",
    "2130706433",
    "0x7f.1",
  ]) {
    test(`${host} is not sent to unless private addresses are allowed`, async () => {
      await using sender = start(createPublicCheck());
      await insert(`http://${host}:9/`, `private-${host}`);
      sender.wake();
      const { state, attempts } = await rowOf(`private-${host}`, ended);
      assert.equal(state, "failed");
      assert.match(attempts[0]?.error ?? "", /is an address of this machine or its network/);
    });
  }

  test("a redirect to a private address is not followed", async () => {
    await using receiver = await Receiver.listen();
    await using inner = await Receiver.listen("127.0.0.2");
    const { port } = new URL(inner.url);
    receiver.answer = (response) => response.writeHead(307, { location: `http://127.0.0.2:${port}/` }).end();
    await using sender = start((address) => address === "127.0.0.1");
    await insert(receiver.url, "inner");
    sender.wake();
    const { state } = await rowOf("inner", ended);
    assert.equal(state, "failed");
    assert.equal(inner.got.length, 0);
  });

  test("a receiver that does not answer keeps no other one waiting", async () => {
    await using slow = await Receiver.listen();
    await using quick = await Receiver.listen();
    slow.answer = () => {};
    await using sender = start();
    for (let index = 0; index < 50; index++) await insert(slow.url, `slow-${index}`);
    await insert(quick.url, "quick");
    sender.wake();
    assert.equal((await rowOf("quick", ended)).state, "delivered");
    assert.ok(slow.got.length <= 8);
  });

  test("an attempt whose sender has ended is made again by the next one, once its lease is over", async () => {
    await using receiver = await Receiver.listen();
    receiver.answer = () => {};
    await database.query("delete from webhooks");
    {
      await using sender = start();
      await insert(receiver.url, "lost");
      sender.wake();
      while (receiver.got.length === 0) await delay(5);
    }
    receiver.answer = (response) => response.end();
    await using next = start();
    next.wake();
    time += 61_000;
    next.wake();
    const { state, attempts } = await rowOf("lost", ended);
    assert.equal(state, "delivered");
    assert.deepEqual(
      attempts.map(({ attempt }) => attempt),
      [2],
    );
  });

  test("two senders on one database send each webhook once", async () => {
    await using receiver = await Receiver.listen();
    await database.query("delete from webhooks");
    const ids = Array.from({ length: 60 }, (_, index) => `twice-${index}`);
    for (const id of ids) await insert(receiver.url, id);
    await using one = start();
    await using other = start();
    one.wake();
    other.wake();
    for (const id of ids) await rowOf(id, ended);
    assert.equal(receiver.got.length, ids.length);
  });

  test("a caller's webhook comes when its request has ended, signed for verifyWebhook(), is listed, and sent again when asked to", async () => {
    await using receiver = await Receiver.listen();
    const project = appProject({ "app.ts": GREETER });
    const state = platformFolder();
    writeFileSync(join(state, "platform.toml"), "[webhooks]\nallow_private = true\n");
    try {
      await using platform = await TestPlatform.start({}, { folder: state });
      await platform.deploy(join(project, "app.ts"));
      const jwksUrl = `${platform.url}/.well-known/jwks.json`;
      const hook = encodeURIComponent(`${receiver.url}/hook`);
      const submit = async (input: unknown): Promise<string> => {
        const answer = await platform.call(`/queue/me/greeter?fal_webhook=${hook}`, input);
        return ((await answer.json()) as { request_id: string }).request_id;
      };
      const list = async (id: string): Promise<readonly WebhookRow[]> => {
        const answer = await fetch(`${platform.url}/platform/requests/${id}/webhooks`, {
          headers: platform.headers,
        });
        return (await answer.json()) as readonly WebhookRow[];
      };
      for (const [input, status, error] of [
        [{ name: "Ada" }, "OK", undefined],
        [{ name: 5 }, "ERROR", "Invalid status code: 422"],
      ] as const) {
        const id = await submit(input);
        while (receiver.got.length === 0) await delay(10);
        const [got] = receiver.got.splice(0);
        assert.ok(got !== undefined);
        const delivery = await verifyWebhook(got, { jwksUrl });
        assert.deepEqual(
          {
            id: delivery.requestId,
            attempt: delivery.gatewayRequestId,
            status: delivery.status,
            error: delivery.error,
          },
          { id, attempt: id, status, error },
        );
        if (status === "OK") assert.deepEqual(delivery.payload, { text: "Hello Ada" });
        while ((await list(id))[0]?.state !== "delivered") await delay(10);
        const [webhook] = await list(id);
        const again = await platform.call(`/platform/webhooks/${webhook?.id}/retry`, {});
        assert.equal(again.status, 200);
        while (receiver.got.length === 0) await delay(10);
        assert.deepEqual(receiver.got.splice(0)[0]?.body, got.body);
        while ((await list(id))[0]?.attempts.length !== 2) await delay(10);
      }
      const answer = await fetch(jwksUrl);
      assert.match(answer.headers.get("cache-control") ?? "", /max-age=\d+/);
      const { keys } = (await answer.json()) as { keys: readonly Record<string, unknown>[] };
      assert.deepEqual(
        keys.map(({ d }) => d),
        [undefined],
      );
      const unknown = await platform.call(
        "/platform/webhooks/00000000-0000-0000-0000-000000000000/retry",
        {},
      );
      assert.equal(unknown.status, 404);
      assert.equal((await fetch(`${platform.url}/platform/requests/r1/webhooks`)).status, 401);
    } finally {
      removePlatformFolder(project);
    }
  });

  test("are verified by the keys of the platform, after a restart too", async () => {
    const again = await WebhookSigner.open(database, SecretBox.open(join(folder, "secrets.key")), "local|me");
    assert.deepEqual(again.keySet(), signer.keySet());
    await using keys = await Receiver.listen();
    keys.answer = (response) => response.end(JSON.stringify(again.keySet()));
    const delivery = await verifyWebhook(
      { headers: signer.headers("r1", bodyOf("r1"), new Date()), body: bodyOf("r1") },
      { jwksUrl: keys.url },
    );
    assert.deepEqual(delivery.payload, { n: 1 });
    assert.equal(delivery.userId, "local|me");
    const [row] = await database.query<{ value: string }>(
      "select value from settings where name = 'webhook_key'",
    );
    assert.doesNotMatch(Buffer.from(row?.value ?? "", "base64").toString("latin1"), /PRIVATE KEY/);
  });
});

describe("the body of a webhook", () => {
  const parsed = (status: number, text: string | Buffer | null): Record<string, unknown> => {
    const answer = text === null ? null : Buffer.from(text);
    const answerBytes = answer?.length ?? MAX_ANSWER_BYTES + 1;
    const body = webhookBody({ requestId: "r", requestAttempt: 2, status, answer, answerBytes });
    return JSON.parse(body.toString()) as Record<string, unknown>;
  };
  const head = { request_id: "r", gateway_request_id: "r-2" };

  test("has the answer of a request that succeeded", () => {
    assert.deepEqual(parsed(200, '{"a":[1]}'), { ...head, status: "OK", payload: { a: [1] } });
    assert.deepEqual(parsed(204, ""), { ...head, status: "OK", payload: null });
  });

  test("has the status and the answer of one that failed", () => {
    assert.deepEqual(parsed(422, '{"detail":[]}'), {
      ...{ ...head, status: "ERROR", error: "Invalid status code: 422" },
      payload: { detail: [] },
    });
  });

  test("says why there is no payload: for other types, for invalid texts and for answers that are too large", () => {
    for (const body of ["<p>", Buffer.from([0x22, 0xff, 0x22]), null]) {
      const { payload, payload_error } = parsed(200, body);
      assert.equal(payload, null);
      assert.match(String(payload_error), /fetch the result of the request\.$/);
    }
  });
});
