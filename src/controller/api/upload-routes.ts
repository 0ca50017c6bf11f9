import type { IncomingMessage } from "node:http";
import { GatewayError } from "../gateway/gateway-error.ts";
import type { KeyRing } from "../gateway/key-ring.ts";
import { parseLifecycle, type Lifecycle } from "../objects/lifecycle.ts";
import type { ObjectAddress, Objects } from "../objects/objects.ts";
import type { PartName } from "../objects/spool.ts";
import type { ObjectAccess } from "./object-access.ts";
import { readJsonBody, type RestRequest, type RestRoute } from "./rest.ts";

/** The parts that the routes need. */
export interface UploadRouteParts {
  readonly objects: Objects;
  readonly access: ObjectAccess;
  readonly keys: KeyRing;
  /** The address at which the sender of a request finds files. */
  readonly filesOrigin: (request: IncomingMessage) => string;
  /** The address at which the sender of a request finds the platform. */
  readonly origin: (request: IncomingMessage) => string;
}

/** The kinds of storage that fal's clients name. All of them are the same here. */
const STORAGE_TYPES = ["fal-cdn-v3", "fal-cdn", "gcs"];
const MAX_PARTS = 10_000;
/** The life of a token for uploads, in seconds. */
const TOKEN_SECONDS = 3_600;

/** The path of an object. */
export function objectPath({ id, name }: ObjectAddress): string {
  return `/objects/${id}/${encodeURIComponent(name)}`;
}

/** The routes by which fal's clients and apps upload files. */
export function uploadRoutes(parts: UploadRouteParts): readonly RestRoute[] {
  return [...initiateRoutes(parts), ...contentRoutes(parts), ...cdnRoutes(parts)];
}

/** The routes that announce an upload. They answer the URL for its content, which needs no key. */
function initiateRoutes({ objects, access, keys, filesOrigin, origin }: UploadRouteParts): RestRoute[] {
  const initiate = async ({ request, query }: RestRequest): Promise<unknown> => {
    assertStorageType(query);
    const owner = await access.ownerOf(request);
    const { file_name: name, content_type: type } = await readJsonBody(request);
    if (name !== undefined && name !== null && typeof name !== "string") {
      throw new GatewayError("bad_request", "file_name has to be a text.");
    }
    const upload = await objects.announce(owner, {
      name: name ?? undefined,
      type,
      lifecycle: lifecycleOf(request),
    });
    const address = { id: upload.objectId, name: upload.name };
    return {
      upload_url: `${origin(request)}/storage/upload/${upload.id}`,
      file_url: filesOrigin(request) + objectPath(address),
    };
  };
  return [
    { method: "POST", path: "/storage/upload/initiate", permission: undefined, handle: initiate },
    { method: "POST", path: "/storage/upload/initiate-multipart", permission: undefined, handle: initiate },
    {
      method: "POST",
      path: "/storage/auth/token",
      permission: undefined,
      handle: async ({ request, query }) => {
        assertStorageType(query);
        const keyId = await access.keyOf(request);
        const expiresAt = new Date(Date.now() + TOKEN_SECONDS * 1_000);
        return {
          token: await keys.createStorageToken(keyId, expiresAt),
          token_type: "Bearer",
          base_url: origin(request),
          // Python before 3.11 does not read "Z".
          expires_at: expiresAt.toISOString().replace("Z", "+00:00"),
        };
      },
    },
  ];
}

/** The routes for the content of an announced upload: who has its id may use them. */
function contentRoutes({ objects, origin, filesOrigin }: UploadRouteParts): RestRoute[] {
  return [
    {
      method: "PUT",
      path: "/storage/upload/:upload",
      permission: undefined,
      handle: async ({ request, params }) => {
        const address = await objects.upload(params["upload"] ?? "", request, lengthOf(request));
        return { file_url: filesOrigin(request) + objectPath(address) };
      },
    },
    {
      method: "PUT",
      path: "/storage/upload/:upload/:part",
      permission: undefined,
      handle: (request) => receivePart(objects, request),
    },
    {
      // Clients of the older storage ask for the URL of each part.
      method: "POST",
      path: "/storage/upload/:upload/:part",
      permission: undefined,
      handle: async ({ request, params }) => {
        const { upload = "", part = "" } = params;
        if (part !== "complete") {
          return { upload_url: `${origin(request)}/storage/upload/${upload}/${parsePart(part)}` };
        }
        const address = await objects.complete(upload, await readParts(request));
        return { file_url: filesOrigin(request) + objectPath(address) };
      },
    },
  ];
}

/** The routes of fal's CDN, which its client for Python uses. */
function cdnRoutes({ objects, access, filesOrigin }: UploadRouteParts): RestRoute[] {
  return [
    {
      method: "POST",
      path: "/files/upload",
      permission: undefined,
      handle: async ({ request }) => {
        const owner = await access.ownerOf(request);
        const address = await objects.store(owner, describedBy(request), request, lengthOf(request));
        return { access_url: filesOrigin(request) + objectPath(address) };
      },
    },
    {
      method: "POST",
      path: "/files/upload/multipart",
      permission: undefined,
      handle: async ({ request }) => {
        const owner = await access.ownerOf(request);
        const { id, objectId, name } = await objects.announce(owner, describedBy(request));
        return { access_url: filesOrigin(request) + objectPath({ id: objectId, name }), uploadId: id };
      },
    },
    {
      method: "PUT",
      path: "/objects/:id/:name/multipart/:upload/:part",
      permission: undefined,
      handle: async (request) => {
        await access.ownerOf(request.request);
        return receivePart(objects, request);
      },
    },
    {
      method: "POST",
      path: "/objects/:id/:name/multipart/:upload/complete",
      permission: undefined,
      handle: async ({ request, params }) => {
        await access.ownerOf(request);
        const address = await objects.complete(params["upload"] ?? "", await readParts(request));
        return { access_url: filesOrigin(request) + objectPath(address) };
      },
    },
  ];
}

async function receivePart(
  objects: Objects,
  { request, response, params }: RestRequest,
): Promise<{ readonly partNumber: number; readonly etag: string }> {
  const { upload = "", part = "" } = params;
  const number = parsePart(part);
  const etag = `"${await objects.uploadPart(upload, number, request, lengthOf(request))}"`;
  response.setHeader("etag", etag);
  return { partNumber: number, etag };
}

/** Reads `{"parts": [{"partNumber": 1, "etag": "…"}]}`, also with the names of the older storage. @throws GatewayError */
async function readParts(request: IncomingMessage): Promise<readonly PartName[]> {
  const { parts } = await readJsonBody(request);
  if (!Array.isArray(parts) || parts.length > MAX_PARTS) {
    throw new GatewayError("bad_request", `parts has to be a list of up to ${MAX_PARTS} parts.`);
  }
  return parts.map((each) => {
    const { partNumber, part_number: number = partNumber, etag } = (each ?? {}) as Record<string, unknown>;
    if (typeof etag !== "string") {
      throw new GatewayError("bad_request", "Each of parts needs a partNumber, and an etag that is a text.");
    }
    return { number: parsePart(number), etag: etag.replaceAll('"', "") };
  });
}

function parsePart(value: unknown): number {
  const number = typeof value === "string" && /^\d{1,5}$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= 1 && number <= MAX_PARTS) {
    return number;
  }
  throw new GatewayError("bad_request", `The number of a part is 1 to ${MAX_PARTS}.`);
}

function assertStorageType(query: URLSearchParams): void {
  const type = query.get("storage_type");
  if (type === null || STORAGE_TYPES.includes(type)) return;
  throw new GatewayError(
    "bad_request",
    `storage_type has to be ${STORAGE_TYPES.join(", ")}, not "${type.slice(0, 50)}".`,
  );
}

/** The name, the type and the lifecycle that the headers of a request state. */
function describedBy(request: IncomingMessage): {
  readonly name: string | undefined;
  readonly type: unknown;
  readonly lifecycle: Lifecycle;
} {
  const name = request.headers["x-fal-file-name"];
  return {
    // Clients send UTF-8, which Node reads as Latin-1.
    name: typeof name === "string" ? Buffer.from(name, "latin1").toString("utf8") : undefined,
    type: request.headers["content-type"],
    lifecycle: lifecycleOf(request),
  };
}

function lifecycleOf({ headers }: IncomingMessage): Lifecycle {
  const header = headers["x-fal-object-lifecycle"] ?? headers["x-fal-object-lifecycle-preference"];
  return parseLifecycle(typeof header === "string" ? header : undefined);
}

function lengthOf({ headers }: IncomingMessage): number | undefined {
  const length = headers["content-length"];
  return length === undefined ? undefined : Number(length);
}
