import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import { readRange } from "../../file-headers/byte-range.ts";
import { contentDisposition } from "../../file-headers/content-disposition.ts";
import { evaluateConditions, isRangeCurrent, type Validators } from "../../file-headers/preconditions.ts";
import { GatewayError } from "../gateway/gateway-error.ts";
import { servedType } from "../objects/content-type.ts";
import type { Objects } from "../objects/objects.ts";
import type { ObjectRow } from "../state/objects.ts";
import { noSuchFile, type ObjectAccess } from "./object-access.ts";
import { readJsonBody, type RestRequest, type RestRoute } from "./rest.ts";
import { objectPath } from "./upload-routes.ts";

/** The parts that the routes need. */
export interface ObjectRouteParts {
  readonly objects: Objects;
  readonly access: ObjectAccess;
  /** The address at which the sender of a request finds files. */
  readonly filesOrigin: (request: IncomingMessage) => string;
}

/** The policy for browsers that show a file: no scripts, no forms, no other addresses. */
const SANDBOX = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'";
/** How long a cache may keep a file that does not expire, in seconds: a year. */
const MAX_AGE = 31_536_000;
const MAX_SIGNED_SECONDS = 604_800;
const DEFAULT_SIGNED_SECONDS = 3_600;

/** The routes that serve, sign and remove stored files. */
export function objectRoutes({ objects, access, filesOrigin }: ObjectRouteParts): readonly RestRoute[] {
  const find = async ({ params }: RestRequest): Promise<ObjectRow> => {
    const object = await objects.find(params["id"] ?? "");
    if (object === undefined || object.name !== params["name"]) throw noSuchFile();
    return object;
  };
  const findOwn = async (request: RestRequest): Promise<ObjectRow> => {
    const object = await find(request);
    if (await access.mayManage(object, request.request)) return object;
    await access.assertMayRead(object, request.request, request.query);
    throw new GatewayError("forbidden", "Only the key that has stored a file may do this.");
  };
  const serve = async (request: RestRequest): Promise<undefined> => {
    const object = await find(request);
    await access.assertMayRead(object, request.request, request.query);
    await send(objects, object, request);
  };
  const path = "/objects/:id/:name";
  return [
    { method: "GET", path, permission: undefined, handle: serve },
    { method: "HEAD", path, permission: undefined, handle: serve },
    {
      method: "DELETE",
      path,
      permission: undefined,
      handle: async (request) => {
        await objects.remove(await findOwn(request));
        return {};
      },
    },
    {
      method: "POST",
      path: `${path}/sign`,
      permission: undefined,
      handle: async (request) => {
        const object = await findOwn(request);
        const { expires_in_seconds: seconds = DEFAULT_SIGNED_SECONDS } = await readJsonBody(request.request);
        const isValid = typeof seconds === "number" && seconds >= 1 && seconds <= MAX_SIGNED_SECONDS;
        if (!isValid) {
          throw new GatewayError(
            "bad_request",
            `expires_in_seconds has to be a number from 1 to ${MAX_SIGNED_SECONDS}.`,
          );
        }
        const expiresAt = new Date(Date.now() + seconds * 1_000);
        const url = `${filesOrigin(request.request)}${objectPath(object)}?${access.signedQuery(object.id, expiresAt)}`;
        return { url, expires_at: expiresAt.toISOString() };
      },
    },
  ];
}

/** Answers with an object, or the part of it that is asked for. */
async function send(objects: Objects, object: ObjectRow, { request, response }: RestRequest): Promise<void> {
  const { method, headers } = request;
  const { size, name } = object;
  const etag = `"${object.digest.toString("base64url")}"`;
  const { type, isDownload } = servedType(object.type);
  const about: Record<string, string | number> = {
    etag,
    "cache-control": cacheControl(object, objects.secondsLeft(object)),
    "accept-ranges": "bytes",
    "content-security-policy": SANDBOX,
    "x-content-type-options": "nosniff",
    // Pages of any origin may show and read it. Without a word about the origin, a cache has one answer for all.
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
  };
  const validators: Validators = { etag, modifiedMs: object.createdAt.getTime(), isSettled: true };
  const decided = evaluateConditions(headers, validators);
  if (decided !== undefined) {
    response.writeHead(decided, about).end();
    return;
  }
  const mayBePart = method === "GET" && isRangeCurrent(headers, validators);
  const range = mayBePart ? readRange(headers.range, size) : undefined;
  if (range === "unsatisfiable") {
    throw new GatewayError("range_not_satisfiable", `The file has ${size} bytes.`, {
      "content-range": `bytes */${size}`,
    });
  }
  about["content-type"] = type;
  about["content-disposition"] = contentDisposition(name, isDownload);
  about["content-length"] = range?.length ?? size;
  if (range !== undefined) {
    about["content-range"] = `bytes ${range.start}-${range.start + range.length - 1}/${size}`;
  }
  if (method === "HEAD") {
    response.writeHead(200, about).end();
    return;
  }
  const left = new AbortController();
  response.once("close", () => left.abort());
  const content = await objects.open(object, range, left.signal);
  response.writeHead(range === undefined ? 200 : 206, about);
  await pipeline(content, response).catch((error: unknown) => {
    throw left.signal.aborted ? new GatewayError("client_disconnected", "The caller left.") : error;
  });
}

function cacheControl({ acl }: ObjectRow, secondsLeft: number | undefined): string {
  if (acl !== "allow") return "private, no-cache";
  return secondsLeft === undefined
    ? `public, max-age=${MAX_AGE}, immutable`
    : `public, max-age=${Math.min(secondsLeft, MAX_AGE)}`;
}
