import assert from "node:assert/strict";
import { test } from "node:test";
import { transformSync } from "esbuild";
import { DefinitionError } from "../../../src/errors.ts";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { recordedRoutes } from "../../../src/routes/registry.ts";
import { methodContext } from "../../helpers/decorators.ts";
import { assertRefused, thrownBy } from "../../helpers/thrown.ts";

function run(): void {}

test("a private method is rejected when the class is defined", () => {
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

test("a static method is rejected when the class is defined", () => {
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

test("a method named by a symbol is rejected when the class is defined", () => {
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

test("decorators on fields, accessors and classes are rejected", () => {
  for (const kind of ["field", "getter", "setter", "accessor", "class"]) {
    const value = kind === "field" ? undefined : run;
    assertRefused(
      () => endpoint("/")(value as never, methodContext({ kind })),
      "ROUTE_METHOD_REFUSED",
      `@endpoint on run: only methods can be routes, this is a ${kind}.`,
    );
  }
});

test("a method with a computed or unusual name is served under that name", () => {
  class Odd {
    @endpoint("/odd")
    "an odd name"(): void {}
  }
  assert.deepEqual([...recordedRoutes(Odd).keys()], ["an odd name"]);
});

test("for a decorator called in the legacy way, the error says how to compile", () => {
  const legacy = endpoint("/") as unknown as (...args: unknown[]) => void;
  const message =
    "@endpoint needs standard decorators, but was compiled in the legacy form; " +
    'turn "experimentalDecorators" off in tsconfig.json.';
  const descriptor = { value: run, writable: true };
  assertRefused(() => legacy({ run }, "run", descriptor), "LEGACY_DECORATORS", message);
  assertRefused(() => legacy({ run }, Symbol("run"), descriptor), "LEGACY_DECORATORS", message);
  assertRefused(() => legacy(run), "LEGACY_DECORATORS", message);
});

test("for a class compiled with experimentalDecorators, the error says how to compile", () => {
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

test("for a compiler that passes no metadata to decorators, the error names one that does", () => {
  for (const metadata of [undefined, null]) {
    assertRefused(
      () => endpoint("/")(run, { ...methodContext(), metadata } as never),
      "LEGACY_DECORATORS",
      "@endpoint needs decorator metadata, which this compiler does not pass on; compile with TypeScript 5.2 or " +
        "newer, or a current esbuild.",
    );
  }
});

test("the same class compiled with standard decorators is accepted", () => {
  const { code } = transformSync('class Served { @endpoint("/") run() {} } return Served;', {
    loader: "ts",
    target: "es2022",
    tsconfigRaw: {},
  });
  const served = new Function("endpoint", code)(endpoint) as object;
  assert.deepEqual([...recordedRoutes(served).keys()], ["run"]);
});

test("a path without a leading slash is rejected, with the correct path", () => {
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

test("a path that no client can request is rejected", () => {
  const bad = ["/a b", "/*", "/a*", "/a?b", "/a#b", "/ä", "/a%20b", "/a\\b", "/(x)", "/\n"];
  for (const path of bad) {
    assertRefused(
      () => endpoint(path)(run, methodContext()),
      "ROUTE_PATH_INVALID",
      /may hold letters, digits/,
    );
  }
});

test("a path with two slashes in a row is rejected", () => {
  for (const path of ["//", "/a//b", "/:a//:b"]) {
    assertRefused(
      () => endpoint(path)(run, methodContext()),
      "ROUTE_PATH_INVALID",
      `The path of run(): "${path}" has two slashes in a row; write one.`,
    );
  }
});

test("a parameter in braces is rejected, with the form to write", () => {
  for (const path of ["/items/{id}", "/{id}", "/{id:path}/x"]) {
    assertRefused(
      () => endpoint(path)(run, methodContext()),
      "ROUTE_PATH_INVALID",
      `The path of run(): "${path}" writes a parameter in braces; write :id instead.`,
    );
  }
});

test("a parameter that is not a whole segment with a plain name is rejected", () => {
  for (const segment of [":", ":a-b", ":1", "a:b", ":a.json", ":a:b", "::a", ":a?", ":a(x)"]) {
    assertRefused(
      () => endpoint(`/x/${segment}/y`)(run, methodContext()),
      "ROUTE_PATH_INVALID",
      `The path of run(): "${segment}" is not a parameter; a parameter is a whole segment, such as "/:id".`,
    );
  }
});

test("two parameters with one name are rejected", () => {
  assertRefused(
    () => endpoint("/:id/a/:id")(run, methodContext()),
    "ROUTE_PATH_INVALID",
    'The path of run(): "/:id/a/:id" has two parameters with the name id; rename one.',
  );
});

test("a GET on a path of the framework is rejected, a POST there is not", () => {
  for (const path of ["/livez", "/readyz", "/openapi.json", "/docs", "/docs/x"]) {
    endpoint(path)(run, methodContext());
    assertRefused(
      () => endpoint(path, { method: "GET" })(run, methodContext()),
      "ROUTE_PATH_INVALID",
      `The path of run(): GET ${path} is the framework's own; choose another path.`,
    );
  }
  assertRefused(
    () => endpoint("/health", { method: "GET" })(run, methodContext()),
    "ROUTE_PATH_INVALID",
    "The path of run(): GET /health is the framework's own; override health() to change its answer.",
  );
});

test("a path that is not a string is rejected", () => {
  for (const path of [undefined, null, 5, { input: {} }]) {
    assertRefused(
      () => endpoint(path as never)(run, methodContext()),
      "ROUTE_PATH_INVALID",
      `The path of run(): must be a string, got ${typeof path}.`,
    );
  }
});

test("ordinary paths are accepted unchanged", () => {
  for (const path of [
    "/",
    "/a",
    "/a/b/c",
    "/a-b_c.d~e",
    "/v1.0/run",
    "/A",
    "/a/",
    "/@me/it's,x;y=1&$!",
    "/:id",
    "/a/:a/b/:b_1",
  ]) {
    const metadata = {};
    endpoint(path)(run, methodContext({ metadata }));
    const served = Object.defineProperty({}, Symbol.metadata, { value: metadata });
    assert.equal(recordedRoutes(served).get("run")?.path, path);
  }
});
