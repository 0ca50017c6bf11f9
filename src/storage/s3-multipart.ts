import type { Logger } from "pino";
import { storageFailure } from "./failures.ts";
import type { StorableFile } from "./file-storage.ts";
import { uploadInParts } from "./part-uploads.ts";
import { TIMEOUT_MS, type S3Bucket } from "./s3-bucket.ts";

/** Size above which a file is uploaded in parts, in bytes. */
export const MULTIPART_BYTES = 100 * 1024 ** 2;
const PART_BYTES = 16 * 1024 ** 2;
/** Maximum number of parts of a file, as S3 allows it. */
const MAX_PARTS = 10_000;
const PARTS_AT_ONCE = 4;

/**
 * Uploads a file in parts, each of which is read from the disk while it is sent. If it fails, the parts that the store
 * already has are removed, because a store keeps and bills them.
 * @throws FalServerlessError with code STORAGE_FAILED, or the reason of the signal
 */
export async function uploadMultipart(
  bucket: S3Bucket,
  key: string,
  file: StorableFile,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  const begun = await bucket.send({
    method: "POST",
    key,
    query: { uploads: "" },
    headers: { "content-type": file.contentType },
    signal,
  });
  const uploadId = /<UploadId>([^<]+)<\/UploadId>/.exec(begun.text)?.[1];
  if (uploadId === undefined) throw storageFailure("s3", "the store named no upload");
  try {
    const partBytes = Math.max(PART_BYTES, Math.ceil(file.size / MAX_PARTS));
    const etags = await uploadInParts({
      count: Math.ceil(file.size / partBytes),
      atOnce: PARTS_AT_ONCE,
      signal,
      upload: (number, partSignal) => {
        const start = (number - 1) * partBytes;
        const body = { ...file, start, length: Math.min(partBytes, file.size - start) };
        return uploadPart(bucket, { key, uploadId, number, body, signal: partSignal });
      },
    });
    const parts = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
    );
    await bucket.send({
      method: "POST",
      key,
      query: { uploadId },
      headers: { "content-type": "application/xml" },
      body: `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`,
      signal,
    });
  } catch (error) {
    await abort(bucket, key, uploadId, log);
    throw error;
  }
}

async function uploadPart(
  bucket: S3Bucket,
  part: {
    readonly key: string;
    readonly uploadId: string;
    readonly number: number;
    readonly body: StorableFile & { readonly start: number; readonly length: number };
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const { key, uploadId, number, body, signal } = part;
  const query = { partNumber: String(number), uploadId };
  const { headers } = await bucket.send({ method: "PUT", key, query, body, signal });
  if (headers.etag === undefined) throw storageFailure("s3", `the store gave no ETag for part ${number}`);
  return headers.etag;
}

/** Removes the parts of an upload. The signal of the call may have aborted already. */
async function abort(bucket: S3Bucket, key: string, uploadId: string, log: Logger): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  await bucket.send({ method: "DELETE", key, query: { uploadId }, signal }).catch((error: unknown) => {
    log.warn(
      { err: error, key, uploadId },
      "could not remove the parts of a failed upload; the bucket keeps them until the upload is aborted",
    );
  });
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
