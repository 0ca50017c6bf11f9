import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GatewayError } from "../gateway/gateway-error.ts";
import { FileMismatch, FileQuotaExceeded, FileStore } from "../state/files.ts";
import { readJsonBody, type RestRoute } from "./rest.ts";

/** The largest part of an upload, in bytes, with the frame of the form around it. */
const MAX_PART_BYTES = 64 * 2 ** 20;
const MAX_PARTS = 10_000;

/** The routes by which the files of deployments are uploaded. */
export function fileRoutes(files: FileStore): readonly RestRoute[] {
  const permission = "serverless:files:write";
  return [
    {
      method: "POST",
      path: "/files/missing_hashes",
      permission,
      handle: async ({ request }) => {
        const { hashes } = await readJsonBody(request);
        if (!Array.isArray(hashes)) throw new GatewayError("bad_request", "hashes has to be a list.");
        return hashes.filter((hash) => !files.keeps(requireHash(hash)));
      },
    },
    {
      method: "POST",
      path: "/files/app/multipart/:hash/initiate",
      permission,
      handle: async ({ params, request }) => {
        requireHash(params["hash"]);
        await readJsonBody(request);
        if (files.has(requireHash(params["hash"]))) {
          throw new GatewayError("conflict", "The file is there already.");
        }
        return { upload_id: randomUUID() };
      },
    },
    {
      method: "PUT",
      path: "/files/app/multipart/:hash/:upload/:part",
      permission,
      handle: async ({ params, request }) => {
        requireHash(params["hash"]);
        const part = requirePart(params["part"]);
        const etag = await writeFormPart(files, requireUpload(params["upload"]), part, request);
        return { part_number: part, etag };
      },
    },
    {
      method: "POST",
      path: "/files/app/multipart/:hash/:upload/complete",
      permission,
      handle: async ({ params, request }) => {
        const hash = requireHash(params["hash"]);
        const upload = requireUpload(params["upload"]);
        const { parts, metadata } = await readJsonBody(request);
        if (!Array.isArray(parts) || parts.length > MAX_PARTS) {
          throw new GatewayError("bad_request", "parts has to be a list.");
        }
        const numbers = parts.map((each) =>
          requirePart((each as { part_number?: unknown } | null)?.part_number),
        );
        const mode = Number((metadata as { mode?: unknown } | undefined)?.mode);
        if (!Number.isInteger(mode))
          throw new GatewayError("bad_request", "metadata.mode has to be a number.");
        try {
          await files.complete(upload, numbers, hash, mode);
        } catch (error) {
          if (error instanceof FileMismatch) throw new GatewayError("bad_request", error.message);
          if ((error as NodeJS.ErrnoException).code === "ENOENT") {
            throw new GatewayError("bad_request", "A part of the upload is missing.");
          }
          throw error;
        }
        return { etag: hash };
      },
    },
    {
      method: "POST",
      path: "/files/app/multipart/:hash/:upload/cancel",
      permission,
      handle: async ({ params }) => {
        await files.cancelUpload(requireUpload(params["upload"]));
        return {};
      },
    },
  ];
}

/** Writes the only file of a form to the store, piece by piece. @returns its MD5 */
async function writeFormPart(
  files: FileStore,
  upload: string,
  part: number,
  request: IncomingMessage,
): Promise<string> {
  const { Busboy } = await import("@fastify/busboy");
  const contentType = request.headers["content-type"];
  if (contentType?.startsWith("multipart/form-data") !== true) {
    throw new GatewayError("bad_request", "A part is sent as multipart/form-data.");
  }
  const form = new Busboy({
    headers: { ...request.headers, "content-type": contentType },
    limits: { files: 1, fields: 0, fileSize: MAX_PART_BYTES },
  });
  let written: Promise<string> | undefined;
  let isTooLarge = false;
  form.on("file", (_name, content) => {
    content.once("limit", () => (isTooLarge = true));
    written = files.writePart(upload, part, content.pipe(new PassThrough()));
    // Reported below. The rest of the form is still read: otherwise the request would never end.
    written.catch(() => content.resume());
  });
  await pipeline(request, form).catch((error: unknown) => {
    throw new GatewayError("bad_request", `The part can't be read: ${(error as Error).message}.`);
  });
  if (written === undefined) throw new GatewayError("bad_request", "The form has no file.");
  const etag = await written.catch((error: unknown) => {
    throw error instanceof FileQuotaExceeded
      ? new GatewayError("insufficient_storage", error.message)
      : error;
  });
  if (isTooLarge)
    throw new GatewayError("payload_too_large", `A part may have ${MAX_PART_BYTES} bytes at most.`);
  return etag;
}

function requireHash(text: unknown): string {
  if (typeof text === "string" && FileStore.isHash(text)) return text;
  throw new GatewayError("bad_request", "A hash has 64 hexadecimal digits.");
}

function requireUpload(text: string | undefined): string {
  if (text !== undefined && /^[0-9a-f-]{36}$/.test(text)) return text;
  throw new GatewayError("bad_request", "There is no such upload.");
}

function requirePart(value: unknown): number {
  const part = Number(value);
  if (Number.isInteger(part) && part >= 1 && part <= MAX_PARTS) return part;
  throw new GatewayError("bad_request", `The number of a part is 1 to ${MAX_PARTS}.`);
}
