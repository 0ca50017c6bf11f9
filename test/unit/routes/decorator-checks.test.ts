import assert from "node:assert/strict";
import { test } from "node:test";
import { transformSync } from "esbuild";
import { DefinitionError } from "../../../src/errors.ts";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { recordedRoutes } from "../../../src/routes/registry.ts";
import { methodContext } from "../../helpers/decorators.ts";
import { assertRefused, thrownBy } from "../../helpers/thrown.ts";

function run(): void {}

test("a private method is refused when the class is defined", () => {
  assertRefused(
    () =>
      class {
        @endpoint("/")
        #hidden(): void {}
        use(): void {
          this.#hidden();
        }
      },
    "ROUTE_METHOD_REFUSED",
    "@endpoint on #hidden: a private method can't be served; drop the #.",
  );
});

test("a static method is refused when the class is defined", () => {
  assertRefused(
    () =>
      class {
        @endpoint("/")
        static shared(): void {}
        own(): void {}
      },
    "ROUTE_METHOD_REFUSED",
    "@endpoint on shared: a static method can't be served; drop static.",
  );
});

test("a method named by a symbol is refused when the class is defined", () => {
  const key = Symbol("key");
  assertRefused(
    () =>
      class {
        @endpoint("/")
        [key](): void {}
      },
    "ROUTE_METHOD_REFUSED",
    "@endpoint on Symbol(key): a route's method needs a plain name, not a symbol.",
  );
});

test("fields, accessors and classes are no methods", () => {
  for (const kind of ["field", "getter", "setter", "accessor", "class"]) {
    const value = kind === "field" ? undefined : run;
    assertRefused(
      () => endpoint("/")(value as never, methodContext({ kind })),
      "ROUTE_METHOD_REFUSED",
      `@endpoint on run: only methods can be routes, this is a ${kind}.`,
    );
  }
});

test("a method with a computed or odd name is served under it", () => {
  class Odd {
    @endpoint("/odd")
    "an odd name"(): void {}
  }
  assert.deepEqual([...recordedRoutes(Odd).keys()], ["an odd name"]);
});

test("a decorator called the legacy way says how to compile", () => {
  const legacy = endpoint("/") as unknown as (...args: unknown[]) => void;
  const message =
    "@endpoint needs standard decorators, but was compiled in the legacy form; " +
    'turn "experimentalDecorators" off in tsconfig.json.';
  const descriptor = { value: run, writable: true };
  assertRefused(() => legacy({ run }, "run", descriptor), "LEGACY_DECORATORS", message);
  assertRefused(() => legacy({ run }, Symbol("run"), descriptor), "LEGACY_DECORATORS", message);
  assertRefused(() => legacy(run), "LEGACY_DECORATORS", message);
});

test("a class compiled with experimentalDecorators says how to compile", () => {
  const { code } = transformSync('class Served { @endpoint("/") run() {} }', {
    loader: "ts",
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
  });
  assert.match(code, /prototype, "run"/, "esbuild made the legacy form");
  const error = thrownBy(() => new Function("endpoint", code)(endpoint));
  assert.ok(error instanceof DefinitionError);
  assert.equal(error.code, "LEGACY_DECORATORS");
  assert.match(error.message, /"experimentalDecorators" off/);
});

test("a compiler that passes no metadata to decorators is refused, with one that does", () => {
  for (const metadata of [undefined, null]) {
    assertRefused(
      () => endpoint("/")(run, { ...methodContext(), metadata } as never),
      "LEGACY_DECORATORS",
      "@endpoint needs decorator metadata, which this compiler does not pass on; compile with TypeScript 5.2 or " +
        "newer, or a current esbuild.",
    );
  }
});

test("the same class compiled in the standard form is fine", () => {
  const { code } = transformSync('class Served { @endpoint("/") run() {} } return Served;', {
    loader: "ts",
    target: "es2022",
    tsconfigRaw: {},
  });
  const served = new Function("endpoint", code)(endpoint) as object;
  assert.deepEqual([...recordedRoutes(served).keys()], ["run"]);
});

test("a path without a slash is refused, with the path to write", () => {
  assertRefused(
    () => endpoint("generate")(run, methodContext()),
    "ROUTE_PATH_INVALID",
    'The path of run(): "generate" must start with "/"; write "/generate".',
  );
  assertRefused(
    () => endpoint("")(run, methodContext()),
    "ROUTE_PATH_INVALID",
    'The path of run(): "" must start with "/"; write "/".',
  );
});

test("a path that no client can ask for is refused", () => {
  const bad = [
    "/a b",
    "/:id",
    "/*",
    "/a*",
    "/a//b",
    "//",
    "/a?b",
    "/a#b",
    "/ä",
    "/a%20b",
    "/a\\b",
    "/{id}",
    "/(x)",
    "/\n",
  ];
  for (const path of bad) {
    assertRefused(
      () => endpoint(path)(run, methodContext()),
      "ROUTE_PATH_INVALID",
      /may hold letters, digits/,
    );
  }
});

test("a path that is no string is refused", () => {
  for (const path of [undefined, null, 5, { input: {} }]) {
    assertRefused(
      () => endpoint(path as never)(run, methodContext()),
      "ROUTE_PATH_INVALID",
      `The path of run(): must be a string, got ${typeof path}.`,
    );
  }
});

test("ordinary paths are taken as they are", () => {
  for (const path of ["/", "/a", "/a/b/c", "/a-b_c.d~e", "/v1.0/run", "/A", "/a/", "/@me/it's,x;y=1&$!"]) {
    const metadata = {};
    endpoint(path)(run, methodContext({ metadata }));
    const served = Object.defineProperty({}, Symbol.metadata, { value: metadata });
    assert.equal(recordedRoutes(served).get("run")?.path, path);
  }
});
