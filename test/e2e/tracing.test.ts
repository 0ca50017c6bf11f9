import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connectTestSocket } from "servable/testing";
import { ANY_PORT, root, startCli, type RunningCli } from "../helpers/cli.ts";
import { createToolProject } from "../helpers/tool-packages.ts";

/** Registers the SDK. Each span that ends is written to standard output as one line. */
const SDK = `
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

const exporter = {
  export(spans, done) {
    for (const span of spans) {
      const { name, kind, links, status, attributes, parentSpanContext } = span;
      const { traceId, spanId } = span.spanContext();
      const linked = links.map(({ context }) => context.spanId);
      const line = { msg: "span", pid: process.pid, name, kind, traceId, spanId, parent: parentSpanContext?.spanId, linked, status, attributes };
      process.stdout.write(JSON.stringify(line) + "\\n");
    }
    done({ code: 0 });
  },
  async shutdown() {},
};
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
`;

/** In a file of its own: the environment has no other packages of the app. */
const FUNCTION = `
import { fn } from "servable";

export const inFunction = fn(
  {
    requirements: REQUIREMENTS,
    setupFunction: async () => {
      const { context, propagation, trace } = await import("@opentelemetry/api");
      const { AsyncLocalStorageContextManager } = await import("@opentelemetry/context-async-hooks");
      const { W3CTraceContextPropagator } = await import("@opentelemetry/core");
      const { BasicTracerProvider } = await import("@opentelemetry/sdk-trace-base");
      context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
      propagation.setGlobalPropagator(new W3CTraceContextPropagator());
      trace.setGlobalTracerProvider(new BasicTracerProvider());
    },
  },
  async () => {
    const { trace } = await import("@opentelemetry/api");
    const { parentSpanContext, name } = trace.getActiveSpan() as unknown as { parentSpanContext: { traceId: string; spanId: string }; name: string };
    return { ...parentSpanContext, name };
  },
);
`;

const APP = `
import "./sdk.mjs";
import { trace } from "@opentelemetry/api";
import { Type } from "typebox";
import { App, AppException, endpoint, realtime } from "servable";
import { inFunction } from "./function.ts";

const Input = Type.Object({ value: Type.Number() });
export class Traced extends App {
  @endpoint("/")
  plain(): string {
    trace.getTracer("app").startSpan("the app's own").end();
    return "ok";
  }

  @endpoint("/fails")
  fails(): never {
    throw new AppException("not now", 503);
  }

  @endpoint("/batch", { input: Input, batch: { maxSize: 8 } })
  async batch(inputs: { value: number }[]): Promise<number[]> {
    trace.getTracer("app").startSpan("in the batch").end();
    return inputs.map(({ value }) => value);
  }

  @endpoint("/worker", { workers: 1 })
  work(): number {
    trace.getTracer("app").startSpan("in the worker").end();
    return process.pid;
  }

  @endpoint("/stream", { stream: true })
  async *stream(): AsyncGenerator<number> {
    yield 1;
    trace.getTracer("app").startSpan("in the stream").end();
    yield 2;
  }

  @realtime("/live", { maxBatchSize: 1 })
  live(input: object): object {
    trace.getTracer("app").startSpan("in the turn").end();
    return input;
  }

  @endpoint("/function")
  async run(): Promise<object> {
    return inFunction();
  }
}
`;

interface SpanLine {
  readonly pid: number;
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent?: string;
  readonly linked: readonly string[];
  readonly status: { readonly code: number };
  readonly attributes: Readonly<Record<string, unknown>>;
}

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";
const TRACEPARENT = { traceparent: `00-${TRACE}-${CALLER}-01` };
const SERVER_KIND = 1;

describe("with an SDK of OpenTelemetry registered,", async () => {
  const { packages } = JSON.parse(
    readFileSync(join(root, "test/tools/tracing/package-lock.json"), "utf8"),
  ) as { packages: Readonly<Record<string, { readonly version: string }>> };
  const requirements = ["api", "context-async-hooks", "core", "sdk-trace-base"].map((name) => {
    const { version } = packages[`node_modules/@opentelemetry/${name}`] as { version: string };
    return `@opentelemetry/${name}@${version}`;
  });
  const folder = await createToolProject("tracing", {
    "sdk.mjs": SDK,
    "app.ts": APP,
    "function.ts": FUNCTION.replace("REQUIREMENTS", JSON.stringify(requirements)),
  });
  const cli = startCli(["run", "app.ts", "--log-format", "json", ...ANY_PORT], folder, {
    SERVABLE_CACHE_DIR: join(folder, "cache"),
  });
  const url = await cli.listening();

  const post = async (path: string, body?: unknown): Promise<Response> =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...TRACEPARENT },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  test("a request continues the caller's trace, and spans of its handler are below it", async () => {
    assert.equal((await post("/")).status, 200);
    const request = await span(cli, "POST /");
    assert.equal(request.traceId, TRACE);
    assert.equal(request.parent, CALLER);
    assert.equal(request.kind, SERVER_KIND);
    assert.equal(request.attributes["http.response.status_code"], 200);
    assert.equal((await span(cli, "the app's own")).parent, request.spanId);
  });

  test("an answer from 500 on marks the span of its request as failed", async () => {
    assert.equal((await post("/fails?fal_jwt_token=secret")).status, 503);
    const request = await span(cli, "POST /fails");
    assert.equal(request.status.code, 2);
    assert.equal(request.attributes["http.response.status_code"], 503);
    assert.doesNotMatch(JSON.stringify(request), /secret/);
  });

  test("a batch has a span of its own, linked to its requests, which show their time in the queue", async () => {
    const answers = await Promise.all([post("/batch", { value: 1 }), post("/batch", { value: 2 })]);
    for (const { status } of answers) assert.equal(status, 200);
    const requests = await spans(cli, "POST /batch", 2);
    const waits = await spans(cli, "queue", 2);
    assert.deepEqual(
      new Set(waits.map(({ parent }) => parent)),
      new Set(requests.map(({ spanId }) => spanId)),
    );
    const own = await spans(cli, "in the batch", 1);
    const batches = await spans(cli, "batch batch", own.length);
    const of = batches.flatMap(({ linked, parent }) => (linked.length > 0 ? linked : [parent ?? ""]));
    assert.deepEqual(new Set(of), new Set(requests.map(({ spanId }) => spanId)));
    assert.ok(batches.some(({ spanId }) => spanId === own[0]?.parent));
  });

  test("a worker continues the trace in its process", async () => {
    const pid = (await (await post("/worker")).json()) as number;
    const request = await span(cli, "POST /worker");
    const call = await span(cli, "worker work");
    const inside = await span(cli, "work()");
    const own = await span(cli, "in the worker");
    assert.equal(call.parent, request.spanId);
    assert.equal(inside.parent, call.spanId);
    assert.equal(own.parent, inside.spanId);
    assert.equal(own.pid, pid);
    assert.notEqual(call.pid, pid);
    assert.equal(own.traceId, TRACE);
  });

  test("a stream's span lasts until its end, around the steps of its generator", async () => {
    await (await post("/stream")).text();
    const request = await span(cli, "POST /stream");
    assert.equal((await span(cli, "in the stream")).parent, request.spanId);
  });

  test("each turn of a realtime session has a span below that of the session", async () => {
    const socket = await connectTestSocket(`${url}/live`, {}, { headers: TRACEPARENT });
    socket.send({ a: 1 });
    await socket.next();
    const turn = await span(cli, "turn live");
    assert.equal((await span(cli, "in the turn")).parent, turn.spanId);
    await socket.close();
    const session = await span(cli, "websocket /live");
    assert.equal(turn.parent, session.spanId);
    assert.equal(session.parent, CALLER);
  });

  test("the process of an isolated function continues the trace of the request that calls it", async () => {
    const inside = (await (await post("/function")).json()) as { traceId: string; spanId: string };
    const request = await span(cli, "POST /function");
    const call = await span(cli, "function inFunction()");
    assert.equal(call.parent, request.spanId);
    assert.deepEqual([inside.traceId, inside.spanId], [TRACE, call.spanId]);
  });
});

async function span(cli: RunningCli, name: string): Promise<SpanLine> {
  const [first] = await spans(cli, name, 1);
  return first as SpanLine;
}

/** The spans with a name, once so many have ended. */
async function spans(cli: RunningCli, name: string, count: number): Promise<readonly SpanLine[]> {
  for (let seen = count; ; seen++) {
    const lines = (await cli.logged(/^span$/, seen)) as unknown as SpanLine[];
    const found = lines.filter((line) => line.name === name);
    if (found.length >= count) return found;
    seen = Math.max(seen, lines.length);
  }
}
