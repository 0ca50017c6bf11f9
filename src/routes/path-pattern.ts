import { DefinitionError } from "../errors.ts";

// Excludes pattern characters of find-my-way and @fastify/swagger ("*", "(") and characters invalid in URL paths.
const SEGMENT = /^[A-Za-z0-9._~!$&',;=@-]*$/;
const PARAMETER = /^:[A-Za-z_][A-Za-z0-9_]*$/;

/** The names of the parameters in a path: `"id"` for `/items/:id`, `never` for a path without any. */
export type PathParameters<Path extends string> = Path extends `${string}/:${infer Rest}`
  ? Rest extends `${infer Name}/${infer More}`
    ? Name | PathParameters<`/${More}`>
    : Rest
  : never;

/** Checks a route's path. */
export function assertPath(methodName: string, path: unknown): asserts path is string {
  const refuse = (why: string): never => {
    throw new DefinitionError("ROUTE_PATH_INVALID", `The path of ${methodName}(): ${why}`);
  };
  if (typeof path !== "string") return refuse(`must be a string, got ${typeof path}.`);
  if (!path.startsWith("/")) refuse(`"${path}" must start with "/"; write "/${path}".`);
  const inBraces = /\{(\w+)(?::\w+)?\}/.exec(path);
  if (inBraces !== null) refuse(`"${path}" writes a parameter in braces; write :${inBraces[1]} instead.`);
  for (const segment of path.split("/")) {
    if (SEGMENT.test(segment) || PARAMETER.test(segment)) continue;
    if (segment.includes(":")) {
      refuse(`"${segment}" is not a parameter; a parameter is a whole segment, such as "/:id".`);
    }
    refuse(
      `"${path}" may hold letters, digits, ._~!$&',;=@- and parameters such as :id, between single slashes.`,
    );
  }
  if (path.includes("//")) refuse(`"${path}" has two slashes in a row; write one.`);
  const names = parameterNames(path);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) refuse(`"${path}" has two parameters with the name ${twice}; rename one.`);
}

// Paths of the framework's own GET routes. A websocket upgrade is a GET as well.
const OWN_PATHS = /^\/(?:health|livez|readyz|openapi\.json|docs(?:\/.*)?)$/;

/** Checks a path that is served with GET, other than those of the framework. */
export function assertGetPath(methodName: string, path: string): void {
  if (!OWN_PATHS.test(path)) return;
  const advice = path === "/health" ? "override health() to change its answer" : "choose another path";
  throw new DefinitionError(
    "ROUTE_PATH_INVALID",
    `The path of ${methodName}(): GET ${path} is the framework's own; ${advice}.`,
  );
}

/** Checks a websocket's path. */
export function assertSocketPath(methodName: string, path: unknown): asserts path is string {
  assertPath(methodName, path);
  const [parameter] = parameterNames(path);
  const refuse = (why: string): never => {
    throw new DefinitionError("ROUTE_PATH_INVALID", `The path of ${methodName}(): ${why}`);
  };
  if (parameter !== undefined) refuse(`a websocket has no parameters; send ${parameter} in a message.`);
  if (OWN_PATHS.test(path)) {
    refuse(`GET ${path} is the framework's own; choose another for the websocket.`);
  }
}

/** The names of a path's parameters, in their order. */
export function parameterNames(path: string): string[] {
  return path
    .split("/")
    .filter((segment) => segment.startsWith(":"))
    .map((segment) => segment.slice(1));
}

/** The path as documents and metrics show it: `/items/{id}` for `/items/:id`. */
export function documentPath(path: string): string {
  return path.replaceAll(/:([^/]+)/g, "{$1}");
}

/** Equal for paths that match the same requests: names of parameters do not matter. */
export function pathShape(path: string): string {
  return path.replaceAll(/:[^/]+/g, ":");
}
