import { randomBytes } from "node:crypto";
import { DefinitionError } from "../errors.ts";
import type { S3StorageSetting } from "../settings/storage.ts";
import type { FileStorage, ReservedFile, StorableFile, StoredFile, StoreRequest } from "./file-storage.ts";
import { encodedKey, S3Bucket, TIMEOUT_MS } from "./s3-bucket.ts";
import { MULTIPART_BYTES, uploadMultipart } from "./s3-multipart.ts";

const DEFAULT_EXPIRY_SECONDS = 3_600;

/** Stores files in a bucket of S3, or of a store with the same interface. */
export class S3Storage implements FileStorage {
  readonly name = "s3";
  readonly #bucket: S3Bucket;
  readonly #prefix: string;
  readonly #publicUrl: string | undefined;
  readonly #expirySeconds: number;

  /** @throws DefinitionError if the setting and the environment name no bucket or no key */
  constructor(setting: S3StorageSetting, environment: NodeJS.ProcessEnv = process.env) {
    const bucket = setting.bucket ?? needed(environment, "SERVABLE_S3_BUCKET", "bucket");
    const region =
      setting.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1";
    const endpoint =
      setting.endpoint ?? environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"];
    // Amazon's certificates don't cover names of buckets with dots.
    const address =
      endpoint !== undefined
        ? `${endpoint.replace(/\/+$/, "")}/${bucket}`
        : bucket.includes(".")
          ? `https://s3.${region}.amazonaws.com/${bucket}`
          : `https://${bucket}.s3.${region}.amazonaws.com`;
    const sessionToken = environment["AWS_SESSION_TOKEN"];
    this.#bucket = new S3Bucket(address, region, {
      accessKeyId: needed(environment, "AWS_ACCESS_KEY_ID", "key"),
      secretAccessKey: needed(environment, "AWS_SECRET_ACCESS_KEY", "secret key"),
      ...(sessionToken === undefined ? {} : { sessionToken }),
    });
    this.#prefix = setting.prefix ?? "";
    this.#publicUrl = setting.publicUrl?.replace(/\/+$/, "");
    this.#expirySeconds = setting.expirySeconds ?? DEFAULT_EXPIRY_SECONDS;
  }

  async store(file: StorableFile, request: StoreRequest): Promise<StoredFile> {
    const key = this.#newKey(file.fileName);
    await this.#put(key, file, request);
    return { url: await this.#urlOf(key), remove: () => this.#remove(key) };
  }

  async reserve({ fileName }: Pick<StorableFile, "fileName">, request: StoreRequest): Promise<ReservedFile> {
    const key = this.#newKey(fileName);
    return {
      url: await this.#urlOf(key),
      complete: (file) => this.#put(key, file, request),
      abort: () => this.#remove(key),
    };
  }

  async #put(key: string, file: StorableFile, request: StoreRequest): Promise<void> {
    if (file.size > MULTIPART_BYTES) return uploadMultipart(this.#bucket, key, file, request);
    await this.#bucket.send({
      method: "PUT",
      key,
      headers: { "content-type": file.contentType },
      body: { ...file, start: 0, length: file.size },
      signal: request.signal,
    });
  }

  async #remove(key: string): Promise<void> {
    await this.#bucket.send({ method: "DELETE", key, signal: AbortSignal.timeout(TIMEOUT_MS) });
  }

  async #urlOf(key: string): Promise<string> {
    if (this.#publicUrl !== undefined) return `${this.#publicUrl}/${encodedKey(key)}`;
    return this.#bucket.signedUrl(key, this.#expirySeconds);
  }

  #newKey(fileName: string): string {
    return `${this.#prefix}${randomBytes(16).toString("hex")}/${fileName}`;
  }
}

function needed(environment: NodeJS.ProcessEnv, name: string, what: string): string {
  const value = environment[name];
  if (value !== undefined && value !== "") return value;
  throw new DefinitionError("SETTING_INVALID", `The storage "s3" needs a ${what}; set the variable ${name}.`);
}
