import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { methodContext } from "../../helpers/decorators.ts";
import { assertRefused } from "../../helpers/thrown.ts";

const Body = Type.Object({ name: Type.String() });
const Id = Type.Object({ id: Type.Integer() });

/** Decorates a method with options that the compiler would reject. */
function decorate(path: string, options: object): void {
  const decorator = endpoint(path, options as never) as (method: unknown, context: unknown) => void;
  decorator(() => undefined, methodContext());
}

/** The options that are refused, for the path, with the message. */
const REFUSED: readonly (readonly [path: string, options: object, message: string])[] = [
  ["/", { method: "HEAD" }, 'HEAD is answered wherever GET is; write method: "GET".'],
  ["/", { method: "OPTIONS" }, "OPTIONS is answered on every path; it can't be an endpoint."],
  ...["get", "TRACE", "", 5, null, ["GET"]].map(
    (method) =>
      [
        "/",
        { method },
        `method must be one of GET, POST, PUT, PATCH, DELETE, got ${JSON.stringify(method)}.`,
      ] as const,
  ),
  [
    "/",
    { method: "GET", input: Body },
    "a GET has no body; take `query` or `params` instead of `input`, or another method.",
  ],
  ...[199, 400, 500, 200.5, NaN, "201", null].map(
    (status) =>
      ["/", { status }, `status must be a whole number from 200 to 399, got ${String(status)}.`] as const,
  ),
  ...[204, 205, 304].flatMap((status) =>
    [{ output: Body }, { stream: true }, { stream: "optional" }].map(
      (more) =>
        [
          "/",
          { status, ...more },
          `an answer with status ${status} has no body; drop \`output\` and \`stream\`.`,
        ] as const,
    ),
  ),
  ...["yes", 1, null].map(
    (given) => ["/", { public: given }, `public must be true or false, got ${String(given)}.`] as const,
  ),
  ...["params", "query", "headers"].flatMap((name) =>
    [Type.String(), Type.Array(Id), Type.Union([Id, Body]), Type.Record(Type.String(), Type.String())].map(
      (schema) =>
        [
          "/:id",
          { [name]: schema },
          `${name} must describe an object, such as Type.Object({ limit: Type.Integer() }).`,
        ] as const,
    ),
  ),
  ["/", { headers: Type.Object({ x_count: Type.String() }) }, '`headers` names "x_count"; write "x-count", as it is sent.'],
  ["/", { headers: Type.Object({ "X-Count": Type.String() }) }, '`headers` names "X-Count"; write "x-count", as it is sent.'],
  ["/", { headers: Type.Object({ "a b": Type.String() }) }, '`headers` names "a b", which can\'t be a header.'],
  ["/", { headers: Type.Object({ "": Type.String() }) }, '`headers` names "", which can\'t be a header.'],
  ...[
    Type.Object({ a: Type.String() }, { additionalProperties: false }),
    Type.Object({ a: Type.String() }, { unevaluatedProperties: false }),
    { allOf: [Type.Object({ a: Type.String() }, { additionalProperties: false })] },
  ].map(
    (headers) =>
      ["/", { headers }, "`headers` can't refuse other headers: each request has more of them."] as const,
  ),
  ...["PUT", "PATCH", "DELETE"].map(
    (method) =>
      ["/", { method, healthCheck: true }, "a health check is called with GET or POST."] as const,
  ),
  ["/:id", { healthCheck: {} }, "a health check is called without parameters; drop them from its path."],
  ["/:id/:part", { params: Id }, "the path has :part, but `params` does not describe it."],
  ["/", { params: Id }, "`params` describes id, but the path has no :id."],
  ["/:id", { params: Type.Object({ id: Type.String(), other: Type.String() }) }, "`params` describes other, but the path has no :other."],
]; // prettier-ignore

for (const [path, options, message] of REFUSED) {
  test(`${path} with ${JSON.stringify(options)} is refused when the class is defined`, () => {
    assertRefused(() => decorate(path, options), "ROUTE_OPTION_INVALID", `@endpoint on run(): ${message}`);
  });
}

test("what is next to a refused combination is accepted", () => {
  for (const [path, options] of [
    ["/", { method: "DELETE", input: Body, status: 200 }],
    ["/", { method: "GET", query: Id, healthCheck: true, status: 399 }],
    ["/", { status: 204 }],
    ["/", { method: "PUT", healthCheck: false }],
    ["/:id", { params: { allOf: [Id, Type.Object({})] } }],
    ["/", { headers: Type.Object({ "x-count": Type.Integer() }), public: false }],
  ] as const) {
    assert.doesNotThrow(() => decorate(path, options), JSON.stringify(options));
  }
});
