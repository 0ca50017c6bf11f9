import type { IncomingMessage, ServerResponse } from "node:http";
import { answerError, GatewayError, knownError } from "../gateway/gateway-error.ts";
import { allowOrigins, answerPreflight } from "../gateway/cors.ts";
import type { Caller, KeyRing } from "../gateway/key-ring.ts";
import type { Permission } from "../state/permissions.ts";

/** A request to the control plane. */
export interface RestRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The segments of the path that the route has as `:name`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Undefined for routes without a key. */
  readonly caller: Caller | undefined;
}

/** One route of the control plane. */
export interface RestRoute {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** With `:name` for a segment, and `*name` for all segments that are left. */
  readonly path: string;
  /** The permission that the caller's key needs; undefined: no key is needed. */
  readonly permission: Permission | undefined;
  /** @returns the answer's JSON; undefined if it has answered itself */
  readonly handle: (request: RestRequest) => Promise<unknown>;
}

/** The largest JSON body, in bytes. */
const MAX_JSON_BYTES = 4 * 2 ** 20;

/** Answers the routes of the control plane over HTTP. */
export class RestApi {
  readonly #routes: readonly (RestRoute & { readonly segments: readonly string[] })[];
  readonly #keys: KeyRing;
  readonly #onError: (error: unknown, url: string) => void;

  constructor(routes: readonly RestRoute[], keys: KeyRing, onError: (error: unknown, url: string) => void) {
    this.#routes = routes.map((route) => ({ ...route, segments: route.path.split("/").slice(1) }));
    this.#keys = keys;
    this.#onError = onError;
  }

  /** Whether paths of routes begin with a segment. */
  uses(segment: string): boolean {
    return this.#routes.some(({ segments }) => segments[0] === segment);
  }

  /** Handles a request. False if no route has its path. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const segments = decodedSegments(path);
    const found = segments === undefined ? [] : this.#routes.flatMap((route) => matchOf(route, segments));
    if (found.length === 0) return false;
    allowOrigins(request, response);
    if (answerPreflight(request, response)) return true;
    const match = found.find(({ route }) => route.method === request.method);
    const answered =
      match === undefined
        ? Promise.reject(
            new GatewayError(
              "method_not_allowed",
              `${path} answers ${found.map(({ route }) => route.method).join(", ")} only.`,
              {
                allow: found.map(({ route }) => route.method).join(", "),
              },
            ),
          )
        : this.#answer(match.route, {
            request,
            response,
            params: match.params,
            query: new URLSearchParams(query),
          });
    answered.catch((error: unknown) => {
      const known = knownError(error);
      if (known === undefined) this.#onError(error, path);
      answerError(
        response,
        known ??
          new GatewayError("internal_error", "The platform failed to handle the request; its log says why."),
      );
      // The rest of a body is not read.
      if (!request.complete) response.once("finish", () => request.destroy());
    });
    return true;
  }

  async #answer(route: RestRoute, about: Omit<RestRequest, "caller">): Promise<void> {
    const caller = await this.#admit(route, about.request);
    const result = await route.handle({ ...about, caller });
    if (result === undefined || about.response.headersSent) return;
    const body = JSON.stringify(result);
    about.response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    });
    about.response.end(body);
  }

  async #admit({ permission, path }: RestRoute, request: IncomingMessage): Promise<Caller | undefined> {
    if (permission === undefined) return undefined;
    const caller = await this.#keys.callerOf(request.headers.authorization);
    if (caller === undefined) {
      throw new GatewayError("unauthorized", 'A valid key is needed: "Authorization: Key ID:SECRET".');
    }
    if (!caller.permissions.includes(permission)) {
      throw new GatewayError(
        "forbidden",
        `Insufficient permissions: ${path} needs a key with ${permission}.`,
      );
    }
    return caller;
  }
}

/** Reads the body of a request. @throws GatewayError if it is longer than `maxBytes` */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new GatewayError("payload_too_large", `The body may have ${maxBytes} bytes at most.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Reads the JSON body of a request. @throws GatewayError */
export async function readJsonBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const text = (await readBody(request, MAX_JSON_BYTES)).toString("utf8");
  if (text.trim() === "") return {};
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
  } catch {
    // reported below
  }
  throw new GatewayError("bad_request", "The body has to be a JSON object.");
}

function decodedSegments(path: string): readonly string[] | undefined {
  try {
    return path.replace(/\/$/, "").split("/").slice(1).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function matchOf<Route extends { readonly segments: readonly string[] }>(
  route: Route,
  segments: readonly string[],
): { readonly route: Route; readonly params: Readonly<Record<string, string>> }[] {
  const params: Record<string, string> = {};
  const isRest = route.segments.at(-1)?.startsWith("*") ?? false;
  if (isRest ? segments.length < route.segments.length : segments.length !== route.segments.length) return [];
  for (const [index, segment] of route.segments.entries()) {
    const value = segments[index] as string;
    if (segment.startsWith("*")) params[segment.slice(1)] = segments.slice(index).join("/");
    else if (segment.startsWith(":")) params[segment.slice(1)] = value;
    else if (segment !== value) return [];
  }
  return [{ route, params }];
}
