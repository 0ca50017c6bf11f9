import { randomBytes } from "node:crypto";
import { AppException } from "../errors.ts";
import type { FileStorage, ReservedFile, StorableFile, StoredFile, StoreRequest } from "./file-storage.ts";
import { callStore, type StoreAnswer } from "./store-client.ts";

/** A presigned POST of S3. Its form has been checked when the request arrived. */
export interface UploadPolicy {
  /** The address of the bucket. */
  readonly url: string;
  /** The fields of the form. `key` holds the placeholder `${filename}`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const PLACEHOLDER = "${filename}";
/** Maximum size of a file in one request to S3, in bytes. */
const MAX_BYTES = 5 * 1024 ** 3;
/** Maximum time without data from the store, in ms. */
const TIMEOUT_MS = 300_000;

/**
 * Stores the files of one answer in the caller's own bucket, with the presigned POST in the header
 * `x-app-fal-upload-policy`. The answer is sent once the files are stored.
 */
export class PolicyStorage implements FileStorage {
  readonly name = "upload policy";
  readonly #policy: UploadPolicy;

  constructor(policy: UploadPolicy) {
    this.#policy = policy;
  }

  /** @throws AppException with status 422 for a file that the policy excludes, 424 if the bucket does not take it */
  async store(file: StorableFile, { signal }: StoreRequest): Promise<StoredFile> {
    const key = this.#keyOf(file);
    await this.#post(file, key, signal);
    return { url: this.#urlOf(key) };
  }

  async reserve(
    facts: Pick<StorableFile, "fileName" | "contentType">,
    { signal }: StoreRequest,
  ): Promise<ReservedFile> {
    const key = this.#keyOf(facts);
    return {
      url: this.#urlOf(key),
      complete: (file) => this.#post(file, key, signal),
      abort: async () => {}, // there is no object yet
    };
  }

  #keyOf({ fileName, contentType }: Pick<StorableFile, "fileName" | "contentType">): string {
    const signed = this.#signedType;
    if (signed !== undefined && signed !== contentType) {
      throw refusal(422, `it allows ${signed}, and ${fileName} is ${contentType}`);
    }
    const name = `${randomBytes(16).toString("hex")}-${fileName}`;
    return String(this.#policy.fields["key"]).replaceAll(PLACEHOLDER, () => name);
  }

  get #signedType(): string | undefined {
    const [, type] = Object.entries(this.#policy.fields).find(([name]) => isContentType(name)) ?? [];
    return type as string | undefined;
  }

  #urlOf(key: string): string {
    return `${this.#policy.url.replace(/\/+$/, "")}/${key.split("/").map(encodeURIComponent).join("/")}`;
  }

  async #post(file: StorableFile, key: string, signal: AbortSignal): Promise<void> {
    if (file.size > MAX_BYTES) {
      throw refusal(422, `${file.fileName} has ${file.size} bytes, and may have ${MAX_BYTES}`);
    }
    const boundary = randomBytes(24).toString("hex");
    let answer: StoreAnswer;
    try {
      answer = await callStore({
        method: "POST",
        url: this.#policy.url,
        headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
        body: {
          ...file,
          start: 0,
          length: file.size,
          before: Buffer.from(this.#formOf(file, key, boundary)),
          after: Buffer.from(`\r\n--${boundary}--\r\n`),
        },
        signal,
        timeoutMs: TIMEOUT_MS,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw refusal(424, `the bucket could not be reached: ${(error as Error).message}`);
    }
    const isStored = (answer.status >= 200 && answer.status < 300) || answer.status === 303;
    if (isStored) return;
    const code = /<Code>([^<]*)<\/Code>/.exec(answer.text)?.[1];
    throw refusal(424, `the bucket answered with ${answer.status}${code === undefined ? "" : ` ${code}`}`);
  }

  /** The form up to the content of the file, which has to be its last field. */
  #formOf({ fileName, contentType }: StorableFile, key: string, boundary: string): string {
    const fields = Object.entries(this.#policy.fields).flatMap(([name, value]) =>
      (Array.isArray(value) ? (value as unknown[]) : [value]).map(
        (item) => [name, name === "key" ? key : item === null ? "" : String(item)] as const,
      ),
    );
    if (this.#signedType === undefined) fields.push(["Content-Type", contentType]);
    const parts = fields.map(
      ([name, value]) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"\r\n\r\n${value}\r\n`,
    );
    const head =
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quoted(fileName)}"\r\n` +
      `Content-Type: ${contentType}\r\n\r\n`;
    return parts.join("") + head;
  }
}

function isContentType(name: string): boolean {
  return name.toLowerCase() === "content-type";
}

/** Escapes a name as browsers do in forms. */
function quoted(name: string): string {
  return name.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function refusal(status: 422 | 424, why: string): AppException {
  return new AppException(`The file can't be stored by the x-app-fal-upload-policy: ${why}.`, status);
}
