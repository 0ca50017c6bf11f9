import assert from "node:assert/strict";
import { test } from "node:test";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { recordedRoutes } from "../../../src/routes/registry.ts";
import type { RouteSignature } from "../../../src/routes/signature.ts";
import { methodContext } from "../../helpers/decorators.ts";
import { Picture, PICTURE, Prompt } from "../../helpers/schemas.ts";
import { assertRefused } from "../../helpers/thrown.ts";

function only(constructor: object): RouteSignature {
  const routes = [...recordedRoutes(constructor).values()];
  assert.equal(routes.length, 1);
  return routes[0] as RouteSignature;
}

test("a decorator without options records path and method, and leaves everything else undefined", () => {
  class Plain {
    @endpoint("/plain")
    run(): string {
      return "ran";
    }
  }
  assert.deepEqual(only(Plain), {
    path: "/plain",
    methodName: "run",
    isWebsocket: false,
    input: undefined,
    output: undefined,
    stream: false,
    timeoutMs: undefined,
    healthCheck: undefined,
    summary: undefined,
    description: undefined,
  });
});

test("every option is recorded, schemas by reference", () => {
  class Full {
    @endpoint("/full", {
      input: Prompt,
      output: Picture,
      stream: true,
      summary: "One line",
      description: "Several *lines*",
      timeoutMs: 1500,
      healthCheck: { failureThreshold: 5 },
    })
    async *run(_input: Prompt): AsyncGenerator<Picture> {
      yield PICTURE;
    }
  }
  const route = only(Full);
  assert.equal(route.input, Prompt);
  assert.equal(route.output, Picture);
  const { input: _input, output: _output, ...rest } = route;
  assert.deepEqual(rest, {
    path: "/full",
    methodName: "run",
    isWebsocket: false,
    stream: true,
    timeoutMs: 1500,
    healthCheck: { failureThreshold: 5 },
    summary: "One line",
    description: "Several *lines*",
  });
});

test("healthCheck: true means the platform's defaults, false means none", () => {
  class Probed {
    @endpoint("/probe", { healthCheck: true })
    probe(): void {}
  }
  class Unprobed {
    @endpoint("/probe", { healthCheck: false })
    probe(): void {}
  }
  assert.deepEqual(only(Probed).healthCheck, {});
  assert.equal(only(Unprobed).healthCheck, undefined);
});

test("the decorated method itself is unchanged", () => {
  class Plain {
    @endpoint("/plain")
    run(): string {
      return "ran";
    }
  }
  assert.equal(new Plain().run(), "ran");
  assert.equal(Plain.prototype.run.name, "run");
});

test("a class without decorators has no routes", () => {
  assert.equal(recordedRoutes(Map).size, 0);
});

test("an unknown option is rejected, with a suggestion", () => {
  const options = (given: object) => () => endpoint("/", given)(function run() {} as never, methodContext());
  assertRefused(
    options({ timeoutms: 5 }),
    "ROUTE_OPTION_INVALID",
    '@endpoint on run(): unknown option "timeoutms"; did you mean "timeoutMs"?',
  );
  assertRefused(options({ health_check: true }), "ROUTE_OPTION_INVALID", /did you mean "healthCheck"\?/);
  assertRefused(options({ ouput: Picture }), "ROUTE_OPTION_INVALID", /did you mean "output"\?/);
  assertRefused(
    options({ colour: "red" }),
    "ROUTE_OPTION_INVALID",
    '@endpoint on run(): unknown option "colour"; known: method, params, query, headers, status, public, input, output, stream, item, summary, description, ' +
      "timeoutMs, healthCheck, bodyLimitBytes, maxDepth, maxValues, bodyTimeoutMs, bodyIdleTimeoutMs, batch, maxConcurrency, maxQueue, overloadStatus, workers, idempotent.",
  );
});

test("a timeout outside the range of a timer is rejected", () => {
  for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31, "5", null]) {
    assertRefused(
      () => endpoint("/", { timeoutMs: timeoutMs as number })(function run() {} as never, methodContext()),
      "ROUTE_OPTION_INVALID",
      `@endpoint on run(): timeoutMs must be between 1 and 2147483647, got ${String(timeoutMs)}.`,
    );
  }
  for (const timeoutMs of [0.5, 1, 2 ** 31 - 1]) {
    endpoint("/", { timeoutMs })(function run() {} as never, methodContext());
  }
});

test("a value that is not a schema is rejected", () => {
  for (const input of [null, "string", 5, () => Prompt]) {
    assertRefused(
      () => endpoint("/", { input: input as never })(function run() {} as never, methodContext()),
      "ROUTE_OPTION_INVALID",
      /^@endpoint on run\(\): input must be a schema, for example Type\.Object/,
    );
  }
  assertRefused(
    () => endpoint("/", { output: false as never })(function run() {} as never, methodContext()),
    "ROUTE_OPTION_INVALID",
    /output must be a schema/,
  );
});
