import assert from "node:assert/strict";
import { test } from "node:test";
import { shown } from "../../../src/settings/check.ts";
import { collectRoutes, recordedRoutes } from "../../../src/routes/registry.ts";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { realtime, type RealtimeOptions } from "../../../src/routes/realtime.ts";
import type { RouteSignature } from "../../../src/routes/signature.ts";
import { methodContext } from "../../helpers/decorators.ts";
import { Picture, PICTURE, Prompt } from "../../helpers/schemas.ts";
import { assertRefused } from "../../helpers/thrown.ts";

function only(constructor: object): RouteSignature {
  const routes = [...recordedRoutes(constructor).values()];
  assert.equal(routes.length, 1);
  return routes[0] as RouteSignature;
}

/** Decorates a method `run` with these options, which may be invalid. */
function decorating(options: object): () => void {
  const given = options as RealtimeOptions<undefined, undefined, "unary", 1>;
  return () => realtime("/rt", given)(function run() {} as never, methodContext());
}

function refuses(options: object, message: string | RegExp): void {
  const whole = typeof message === "string" ? `@realtime on run(): ${message}` : message;
  assertRefused(decorating(options), "ROUTE_OPTION_INVALID", whole);
}

test("without options, a session is unary, uses MessagePack, takes one input at a time and has no timeout", () => {
  class Plain {
    @realtime("/rt")
    run(input: Record<string, unknown>): object {
      return input;
    }
  }
  assert.deepEqual(only(Plain), {
    path: "/rt",
    methodName: "run",
    isWebsocket: true,
    input: undefined,
    output: undefined,
    stream: false,
    timeoutMs: undefined,
    healthCheck: undefined,
    summary: undefined,
    description: undefined,
    realtimeMode: "unary",
    contentType: "application/msgpack",
    buffering: undefined,
    sessionTimeout: undefined,
    maxBatchSize: 1,
    emitTimings: false,
    encodeMessage: undefined,
    decodeMessage: undefined,
    canBatch: undefined,
  });
});

test("every option is recorded, schemas and functions by reference", () => {
  const encodeMessage = (message: unknown): string => JSON.stringify(message);
  const decodeMessage = (frame: string | Uint8Array): unknown => JSON.parse(String(frame));
  const canBatch = (): boolean => true;
  class Full {
    @realtime("/rt", {
      input: Prompt,
      output: Picture,
      mode: "unary",
      buffering: 2,
      sessionTimeout: 0.5,
      maxBatchSize: 4,
      emitTimings: true,
      contentType: "text/own",
      encodeMessage,
      decodeMessage,
      canBatch,
      description: "Several *lines*",
    })
    run(inputs: Prompt[]): Picture[] {
      return inputs.map(() => PICTURE);
    }
  }
  const route = only(Full);
  assert.equal(route.input, Prompt);
  assert.equal(route.output, Picture);
  const { input: _input, output: _output, ...rest } = route;
  assert.deepEqual(rest, {
    path: "/rt",
    methodName: "run",
    isWebsocket: true,
    stream: false,
    timeoutMs: undefined,
    healthCheck: undefined,
    summary: undefined,
    description: "Several *lines*",
    realtimeMode: "unary",
    contentType: "text/own",
    buffering: 2,
    sessionTimeout: 0.5,
    maxBatchSize: 4,
    emitTimings: true,
    encodeMessage,
    decodeMessage,
    canBatch,
  });
});

test("each mode is recorded by its name, and any other mode is rejected", () => {
  for (const mode of ["unary", "server_streaming", "client_streaming", "bidi"]) {
    const metadata = {};
    realtime("/rt", { mode } as object)(function run() {} as never, methodContext({ metadata }));
    const served = Object.defineProperty({}, Symbol.metadata, { value: metadata });
    assert.equal(only(served).realtimeMode, mode);
  }
  for (const mode of ["stream", "Unary", "toString"]) {
    refuses({ mode }, `mode must be one of unary, server_streaming, client_streaming, bidi, got "${mode}".`);
  }
});

test("buffering is a whole number from 1 to 60", () => {
  for (const buffering of [1, 60]) decorating({ buffering })();
  for (const buffering of [0, -1, 61, 1.5, NaN, Infinity, "2", null]) {
    refuses({ buffering }, `buffering must be a whole number from 1 to 60, got ${shown(buffering)}.`);
  }
});

test("a session timeout is a number of seconds within the range of a timer", () => {
  for (const sessionTimeout of [0.001, 10, 2_147_483]) decorating({ sessionTimeout })();
  for (const sessionTimeout of [0, -1, NaN, Infinity, 2_147_484, "10", null]) {
    refuses(
      { sessionTimeout },
      `sessionTimeout must be a positive number of seconds, got ${String(sessionTimeout)}.`,
    );
  }
});

test("a batch size is a whole number of at least 1", () => {
  for (const maxBatchSize of [1, 2, 1000]) decorating({ maxBatchSize })();
  for (const maxBatchSize of [0, -1, 1.5, NaN, Infinity, "4", null]) {
    refuses(
      { maxBatchSize },
      `maxBatchSize must be a whole number of at least 1, got ${shown(maxBatchSize)}.`,
    );
  }
});

test("only unary sessions support batches", () => {
  for (const mode of ["server_streaming", "client_streaming", "bidi"]) {
    const message = `maxBatchSize and canBatch are for unary sessions, not for "${mode}".`;
    refuses({ mode, maxBatchSize: 2 }, message);
    refuses({ mode, canBatch: () => true }, message);
    decorating({ mode, maxBatchSize: 1 })();
  }
});

test("a content type is one of the two known ones, or requires an encoder and decoder", () => {
  const codec = { encodeMessage: String, decodeMessage: String };
  for (const contentType of ["application/msgpack", "application/json"]) decorating({ contentType })();
  decorating({ contentType: "application/cbor", ...codec })();
  for (const contentType of ["application/cbor", "json", ""]) {
    refuses(
      { contentType },
      "contentType must be application/msgpack or application/json, or come with encodeMessage and decodeMessage.",
    );
  }
});

test("an encoder without a decoder is rejected, and vice versa", () => {
  refuses({ encodeMessage: String }, "encodeMessage and decodeMessage go together.");
  refuses({ decodeMessage: String }, "encodeMessage and decodeMessage go together.");
});

test("an encoder, decoder or canBatch that is not a function is rejected", () => {
  refuses({ encodeMessage: "json", decodeMessage: String }, "encodeMessage must be a function, got json.");
  refuses({ encodeMessage: String, decodeMessage: 5 }, "decodeMessage must be a function, got 5.");
  refuses({ canBatch: true }, "canBatch must be a function, got true.");
});

test("a value that is not a schema is rejected", () => {
  refuses({ input: "string" }, /^@realtime on run\(\): input must be a schema, for example Type\.Object/);
  refuses({ output: null }, /^@realtime on run\(\): output must be a schema/);
});

test("an unknown option is rejected, with a suggestion", () => {
  refuses({ bufering: 2 }, 'unknown option "bufering"; did you mean "buffering"?');
  refuses({ session_timeout: 2 }, 'unknown option "session_timeout"; did you mean "sessionTimeout"?');
  refuses({ max_batch_size: 2 }, 'unknown option "max_batch_size"; did you mean "maxBatchSize"?');
  refuses(
    { colour: "red" },
    'unknown option "colour"; known: input, output, mode, buffering, sessionTimeout, maxBatchSize, batch, emitTimings, ' +
      "contentType, encodeMessage, decodeMessage, canBatch, public, description, maxFrameBytes, maxDepth, maxValues.",
  );
});

test("an endpoint and a realtime session may share a path, two sessions may not", () => {
  class Both {
    @endpoint("/both")
    post(): void {}
    @realtime("/both")
    live(): object {
      return {};
    }
  }
  const names = [...collectRoutes(new Both()).keys()].map(({ methodName }) => methodName);
  assert.deepEqual(names, ["post", "live"]);
  assertRefused(
    () =>
      class {
        @realtime("/rt")
        one(): object {
          return {};
        }
        @realtime("/rt")
        two(): object {
          return {};
        }
      },
    "ROUTE_PATH_TAKEN",
    "two() and one() both claim websocket /rt; change one path.",
  );
});

test("a method is an endpoint or a session, not both", () => {
  assertRefused(
    () =>
      class {
        @endpoint("/a")
        @realtime("/b")
        run(): object {
          return {};
        }
      },
    "ROUTE_DECORATED_TWICE",
    "run() has two route decorators; give each route a method of its own.",
  );
});

test("a subclass inherits sessions, replaces them by name and may turn one into an endpoint", () => {
  class Base {
    @realtime("/rt", { input: Prompt, buffering: 3 })
    live(_input: Prompt): object {
      return { from: "base" };
    }
    @realtime("/other")
    other(): object {
      return {};
    }
  }
  class Overrides extends Base {
    override live(_input: Prompt): object {
      return { from: "child" };
    }
  }
  class Replaces extends Base {
    @realtime("/rt", { buffering: 9 })
    override live(): object {
      return {};
    }
    @endpoint("/other")
    override other(): object {
      return {};
    }
  }
  const [route, handler] =
    [...collectRoutes(new Overrides())].find(([{ path }]) => path === "/rt") ?? assert.fail();
  assert.equal(route.buffering, 3);
  assert.deepEqual(handler({}), { from: "child" });
  const replaced = [...collectRoutes(new Replaces()).keys()];
  assert.deepEqual(
    replaced.map(({ path, isWebsocket, buffering }) => [path, isWebsocket, buffering]),
    [
      ["/other", false, undefined],
      ["/rt", true, 9],
    ],
  );
  assert.equal(collectRoutes(new Base()).size, 2);
});

test("private, static and symbol-named methods, and members that are not methods, are rejected by name", () => {
  const decorate = realtime("/rt") as (method: unknown, context: unknown) => void;
  const refused = (parts: object, message: string): void =>
    assertRefused(
      () => decorate(() => ({}), methodContext(parts)),
      "ROUTE_METHOD_REFUSED",
      `@realtime on ${message}`,
    );
  refused({ private: true, name: "#run" }, "#run: a private method can't be served; drop the #.");
  refused({ static: true }, "run: a static method can't be served; drop static.");
  refused({ name: Symbol("key") }, "Symbol(key): a route's method needs a plain name, not a symbol.");
  refused({ kind: "getter" }, "run: only methods can be routes, this is a getter.");
});

test("for a decorator called in the legacy way, the error says how to compile", () => {
  const legacy = realtime("/rt") as unknown as (...args: unknown[]) => void;
  assertRefused(
    () => legacy({}, "run", { value: () => ({}) }),
    "LEGACY_DECORATORS",
    "@realtime needs standard decorators, but was compiled in the legacy form; " +
      'turn "experimentalDecorators" off in tsconfig.json.',
  );
});

test("paths follow the same rules as those of endpoints", () => {
  for (const path of ["rt", "/a b", "/:id", 5]) {
    assertRefused(
      () => realtime(path as string)(function run() {} as never, methodContext()),
      "ROUTE_PATH_INVALID",
      /^The path of run\(\): /,
    );
  }
});

test("paths with a GET route of the framework are rejected", () => {
  for (const path of ["/health", "/livez", "/readyz", "/openapi.json", "/docs", "/docs/live"]) {
    assertRefused(
      () => realtime(path)(function run() {} as never, methodContext()),
      "ROUTE_PATH_INVALID",
      `The path of run(): GET ${path} is the framework's own; choose another for the websocket.`,
    );
  }
  for (const path of ["/", "/healthy", "/docs2", "/Health", "/metrics", "/openapi"]) {
    realtime(path)(function run() {} as never, methodContext());
  }
});
