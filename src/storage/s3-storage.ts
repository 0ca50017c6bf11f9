import { randomBytes } from "node:crypto";
import { DefinitionError } from "../errors.ts";
import type { S3StorageSetting } from "../settings/storage.ts";
import { storageFailure } from "./failures.ts";
import type { FileStorage, ReservedFile, StorableFile, StoredFile, StoreRequest } from "./file-storage.ts";
import { callStore, type StoreAnswer, type StoreCall } from "./store-client.ts";

const DEFAULT_EXPIRY_SECONDS = 3_600;
/** Maximum size of a file that is uploaded with one request, as S3 allows it, in bytes. */
const MAX_BYTES = 5 * 1024 ** 3;
/** Maximum time without data from the store, in ms. */
const TIMEOUT_MS = 60_000;

/** Stores files in a bucket of S3, or of a store with the same interface. */
export class S3Storage implements FileStorage {
  readonly name = "s3";
  readonly #prefix: string;
  readonly #region: string;
  /** The address of the bucket, without a slash at the end. */
  readonly #bucket: string;
  readonly #publicUrl: string | undefined;
  readonly #expirySeconds: number;
  readonly #credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };

  /** @throws DefinitionError if the setting and the environment name no bucket or no key */
  constructor(setting: S3StorageSetting, environment: NodeJS.ProcessEnv = process.env) {
    const bucket = setting.bucket ?? needed(environment, "SERVABLE_S3_BUCKET", "bucket");
    this.#region =
      setting.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1";
    const endpoint =
      setting.endpoint ?? environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"];
    // Amazon's certificates don't cover names of buckets with dots.
    this.#bucket =
      endpoint !== undefined
        ? `${endpoint.replace(/\/+$/, "")}/${bucket}`
        : bucket.includes(".")
          ? `https://s3.${this.#region}.amazonaws.com/${bucket}`
          : `https://${bucket}.s3.${this.#region}.amazonaws.com`;
    this.#prefix = setting.prefix ?? "";
    this.#publicUrl = setting.publicUrl?.replace(/\/+$/, "");
    this.#expirySeconds = setting.expirySeconds ?? DEFAULT_EXPIRY_SECONDS;
    const sessionToken = environment["AWS_SESSION_TOKEN"];
    this.#credentials = {
      accessKeyId: needed(environment, "AWS_ACCESS_KEY_ID", "key"),
      secretAccessKey: needed(environment, "AWS_SECRET_ACCESS_KEY", "secret key"),
      ...(sessionToken === undefined ? {} : { sessionToken }),
    };
  }

  async store(file: StorableFile, { signal }: StoreRequest): Promise<StoredFile> {
    const key = this.#newKey(file.fileName);
    await this.#put(key, file, signal);
    return { url: await this.#urlOf(key), remove: () => this.#remove(key) };
  }

  async reserve({ fileName }: Pick<StorableFile, "fileName">, request: StoreRequest): Promise<ReservedFile> {
    const key = this.#newKey(fileName);
    return {
      url: await this.#urlOf(key),
      complete: (file) => this.#put(key, file, request.signal),
      abort: () => this.#remove(key),
    };
  }

  async #put(key: string, file: StorableFile, signal: AbortSignal): Promise<void> {
    if (file.size > MAX_BYTES) {
      throw storageFailure(this.name, `it has ${file.size} bytes, and may have ${MAX_BYTES}`);
    }
    const answer = await this.#send("PUT", key, signal, {
      headers: { "content-type": file.contentType },
      body: { ...file, start: 0, length: file.size },
    });
    if (answer.status !== 200) throw storageFailure(this.name, describeRefusal(answer));
  }

  async #remove(key: string): Promise<void> {
    await this.#send("DELETE", key, AbortSignal.timeout(TIMEOUT_MS), { headers: {} });
  }

  async #send(
    method: "PUT" | "DELETE",
    key: string,
    signal: AbortSignal,
    { headers, body }: { headers: Record<string, string>; body?: StoreCall["body"] },
  ): Promise<StoreAnswer> {
    const url = this.#addressOf(key);
    const { AwsV4Signer } = await import("aws4fetch");
    const signed = await new AwsV4Signer({ method, url, headers, ...this.#signing }).sign();
    const call = {
      method,
      url,
      headers: Object.fromEntries(signed.headers),
      body,
      signal,
      timeoutMs: TIMEOUT_MS,
    };
    try {
      return await callStore(call);
    } catch (error) {
      signal.throwIfAborted();
      throw storageFailure(this.name, error instanceof Error ? error.message : String(error), error);
    }
  }

  async #urlOf(key: string): Promise<string> {
    if (this.#publicUrl !== undefined) return `${this.#publicUrl}/${encodedKey(key)}`;
    const { AwsV4Signer } = await import("aws4fetch");
    const url = `${this.#addressOf(key)}?X-Amz-Expires=${this.#expirySeconds}`;
    const signed = await new AwsV4Signer({ method: "GET", url, signQuery: true, ...this.#signing }).sign();
    return signed.url.href;
  }

  get #signing(): { service: string; region: string; accessKeyId: string; secretAccessKey: string } {
    return { service: "s3", region: this.#region, ...this.#credentials };
  }

  #addressOf(key: string): string {
    return `${this.#bucket}/${encodedKey(key)}`;
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

/** Encodes a key as S3 signs it. */
function encodedKey(key: string): string {
  return key
    .split("/")
    .map((part) =>
      encodeURIComponent(part).replaceAll(
        /[!'()*]/g,
        (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
      ),
    )
    .join("/");
}

function describeRefusal({ status, text }: StoreAnswer): string {
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1];
  return `the store answered with ${status}${code === undefined ? "" : ` ${code}`}${message === undefined ? "" : `, "${message}"`}`;
}
