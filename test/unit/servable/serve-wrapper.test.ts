import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { isServableClass, ServeWrapper } from "../../../src/index.ts";
import { Picture, Prompt } from "../../helpers/schemas.ts";
import { silentLogger } from "../../helpers/silent-logger.ts";
import { assertRefused } from "../../helpers/thrown.ts";

async function post(wrapper: InstanceType<typeof ServeWrapper>, payload: object): Promise<[number, string]> {
  const server = wrapper.buildServer({ logger: silentLogger() });
  const { statusCode, body } = await server.inject({ method: "POST", url: "/", payload });
  await server.close();
  return [statusCode, body];
}

test("a single function is served at /, and its input is checked and filled like a method's", async () => {
  const wrapper = new ServeWrapper(
    function draw({ prompt, steps }: Prompt): Picture {
      return { url: prompt, seed: steps };
    },
    { input: Prompt, output: Picture },
  );
  const [route] = wrapper.collectRoutes().keys();
  assert.equal(route?.path, "/");
  assert.equal(route?.methodName, "draw");
  assert.deepEqual(await post(wrapper as never, { prompt: "a", extra: 1 }), [200, '{"url":"a","seed":25}']);
  const [status] = await post(wrapper as never, { prompt: "" });
  assert.equal(status, 422);
});

test("a function may stream", async () => {
  const wrapper = new ServeWrapper(
    async function* count() {
      yield 1;
      yield 2;
    },
    { output: Type.Integer(), stream: true },
  );
  assert.deepEqual(await post(wrapper as never, {}), [200, "data: 1\n\ndata: 2\n\n"]);
});

test("the operation is named after the function, otherwise call", () => {
  const nameOf = (handler: () => number): string | undefined =>
    [...new ServeWrapper(handler).collectRoutes().keys()][0]?.methodName;
  const named = (name: unknown): (() => number) => Object.defineProperty(() => 5, "name", { value: name });
  function draw(): number {
    return 5;
  }
  assert.equal(nameOf(draw), "draw");
  assert.equal(nameOf(draw.bind(null)), "draw");
  assert.equal(nameOf(draw.bind(null).bind(null)), "draw");
  assert.equal(nameOf({ größe: () => 5 }.größe), "größe");
  assert.equal(
    nameOf(
      (
        () => () =>
          5
      )(),
    ),
    "call",
  );
  assert.equal(
    nameOf(
      (
        () => () =>
          5
      )().bind(null),
    ),
    "call",
  );
  for (const name of ["default", "[symbol]", "get size", "#private", "a b", 5, undefined]) {
    assert.equal(nameOf(named(name)), "call");
  }
});

test("its options are checked like those of a decorator", () => {
  assertRefused(
    () => new ServeWrapper(() => 5, { timeoutMs: -1 }),
    "ROUTE_OPTION_INVALID",
    /timeoutMs must be between 1 and/,
  );
  assertRefused(
    () => new ServeWrapper(() => 5, { ouput: Picture } as object),
    "ROUTE_OPTION_INVALID",
    /"output"\?/,
  );
});

test("the result is a servable class", () => {
  assert.ok(isServableClass(ServeWrapper));
});
