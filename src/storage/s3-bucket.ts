import { lateImport } from "../late-import.ts";
import { storageFailure } from "./failures.ts";
import { callStore, type StoreAnswer, type StoreCall } from "./store-client.ts";

const signers = lateImport(() => import("aws4fetch"));

/** Maximum time without data from the store, in ms. */
export const TIMEOUT_MS = 60_000;

/** A key with which requests are signed. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A request to a bucket. */
interface S3Request {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: StoreCall["body"];
  readonly signal: AbortSignal;
}

/** Sends signed requests to a bucket. */
export class S3Bucket {
  /** Without a slash at the end. */
  readonly #address: string;
  readonly #signing: S3Credentials & { readonly service: "s3"; readonly region: string };

  constructor(address: string, region: string, credentials: S3Credentials) {
    this.#address = address;
    this.#signing = { service: "s3", region, ...credentials };
  }

  /** @throws FalServerlessError with code STORAGE_FAILED for every answer but a success, or the reason of the signal */
  async send({ method, key, query, headers = {}, body, signal }: S3Request): Promise<StoreAnswer> {
    const search = query === undefined ? "" : `?${new URLSearchParams(query).toString()}`;
    const url = `${this.#address}/${encodedKey(key)}${search}`;
    const { AwsV4Signer } = await signers();
    const signed = await new AwsV4Signer({ method, url, headers: { ...headers }, ...this.#signing }).sign();
    let answer: StoreAnswer;
    try {
      answer = await callStore({
        method,
        url,
        headers: Object.fromEntries(signed.headers),
        body,
        signal,
        timeoutMs: TIMEOUT_MS,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw storageFailure("s3", error instanceof Error ? error.message : String(error), error);
    }
    // The answer to a request that takes long may begin with 200 and be an error.
    if (answer.status >= 200 && answer.status < 300 && !answer.text.includes("<Error>")) return answer;
    throw storageFailure("s3", describeRefusal(answer));
  }

  /** A signed URL, with which anyone can read a key for some time. */
  async signedUrl(key: string, expirySeconds: number): Promise<string> {
    const { AwsV4Signer } = await signers();
    const url = `${this.#address}/${encodedKey(key)}?X-Amz-Expires=${expirySeconds}`;
    const signed = await new AwsV4Signer({ method: "GET", url, signQuery: true, ...this.#signing }).sign();
    return signed.url.href;
  }
}

/** Encodes a key as S3 signs it. */
export function encodedKey(key: string): string {
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
