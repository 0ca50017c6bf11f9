import { DefinitionError, type FalServerlessError } from "../errors.ts";
import type { FalStorageSetting } from "../settings/storage.ts";
import { storageFailure } from "./failures.ts";
import { falAccount, type FalAccount } from "./fal-account.ts";
import { FalUploader, UploaderRefusal } from "./fal-uploader.ts";
import type { FileStorage, ReservedFile, StorableFile, StoredFile, StoreRequest } from "./file-storage.ts";
import { uploadInParts } from "./part-uploads.ts";
import { callStore, type StoreAnswer, type StoreCall } from "./store-client.ts";

/** The places of fal, in the order in which they are tried. */
const PLACES = [
  { type: "fal-cdn-v3", isCdn: true },
  { type: "gcs", isCdn: false },
] as const;
type Place = (typeof PLACES)[number];

const MULTIPART_BYTES = 100 * 1024 ** 2;
const PART_BYTES = 10 * 1024 ** 2;
const PARTS_AT_ONCE = 10;
const TIMEOUT_MS = 10_000;
const DATA_TIMEOUT_MS = 300_000;
const SHOWN_BYTES = 4_096;

/** The answer to an upload that is announced. */
interface Initiated {
  readonly upload_url: string;
  readonly file_url: string;
}

/**
 * Stores files on fal's CDN, and if that fails on its older storage. With `FAL_USE_LOCAL_UPLOADER`, the uploader of the
 * machine comes first.
 */
export class FalStorage implements FileStorage {
  readonly name = "fal";
  readonly #account: FalAccount;
  readonly #expirySeconds: number | undefined;
  readonly #uploader: FalUploader | undefined;

  /** @throws DefinitionError if the environment has no key */
  constructor({ expirySeconds }: FalStorageSetting, environment: NodeJS.ProcessEnv = process.env) {
    const account = falAccount(environment);
    if (account === undefined) {
      throw new DefinitionError(
        "SETTING_INVALID",
        'The storage "fal" needs a key; set the variable FAL_KEY.',
      );
    }
    this.#account = account;
    this.#expirySeconds = expirySeconds;
    this.#uploader = FalUploader.of(environment);
  }

  async store(file: StorableFile, request: StoreRequest): Promise<StoredFile> {
    const handed = await this.#ofUploader(request, (uploader, headers) =>
      uploader.store(file, headers, request),
    );
    if (handed !== undefined) return { url: handed };
    const failures: string[] = [];
    let last: unknown;
    for (const place of PLACES) {
      try {
        const isLarge = file.size > MULTIPART_BYTES;
        const initiated = await this.#initiate(place, isLarge, file, request);
        if (isLarge) await this.#uploadParts(place, initiated, file, request);
        else await this.#upload(place, initiated, file, request);
        return { url: initiated.file_url };
      } catch (error) {
        request.signal.throwIfAborted();
        last = error;
        failures.push(error instanceof Error ? error.message : String(error));
      }
    }
    throw storageFailure(this.name, failures.join("; then: "), last);
  }

  /** The uploader's answer; undefined without an uploader, or if it refuses. */
  async #ofUploader<Answer>(
    request: StoreRequest,
    ask: (uploader: FalUploader, headers: Record<string, string>) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    if (this.#uploader === undefined) return undefined;
    try {
      return await ask(this.#uploader, { ...this.#authorization, ...this.#requestHeaders(request) });
    } catch (error) {
      request.signal.throwIfAborted();
      if (!(error instanceof UploaderRefusal))
        throw storageFailure(this.name, (error as Error).message, error);
      request.log.info(
        { reason: error.message },
        "the uploader of this machine refused a file: it goes to the CDN",
      );
      return undefined;
    }
  }

  /** Only the uploader and the CDN can reserve a URL. */
  async reserve(
    file: Pick<StorableFile, "fileName" | "contentType">,
    request: StoreRequest,
  ): Promise<ReservedFile> {
    const [place] = PLACES;
    const { fileName, contentType } = file;
    const failed = (error: unknown): FalServerlessError =>
      storageFailure(this.name, error instanceof Error ? error.message : String(error), error);
    const session = await this.#ofUploader(request, (uploader, headers) =>
      uploader.reserve(file, headers, request),
    );
    if (session !== undefined) {
      const fail = (error: unknown): never => {
        throw failed(error);
      };
      const complete = (content: StorableFile): Promise<void> =>
        session.complete(content, request.signal).catch(fail);
      return { url: session.url, complete, abort: () => session.abort() };
    }
    const initiated = await this.#initiate(place, true, file, request).catch((error: unknown) => {
      throw failed(error);
    });
    return {
      url: initiated.file_url,
      complete: (content) =>
        this.#uploadParts(place, initiated, { ...content, fileName, contentType }, request).catch(
          (error: unknown) => {
            throw failed(error);
          },
        ),
      abort: async () => {}, // the CDN forgets an upload that is never complete
    };
  }

  async #initiate(
    { type, isCdn }: Place,
    isLarge: boolean,
    { fileName, contentType }: Pick<StorableFile, "fileName" | "contentType">,
    request: StoreRequest,
  ): Promise<Initiated> {
    const path = isLarge ? "initiate-multipart" : "initiate";
    const answer = await this.#call(`initiating upload`, type, {
      method: "POST",
      url: `${this.#account.rest}/storage/upload/${path}?storage_type=${type}`,
      headers: {
        ...this.#authorization,
        "content-type": "application/json",
        accept: "application/json",
        ...(isCdn ? this.#requestHeaders(request) : {}),
      },
      body: JSON.stringify({ file_name: fileName, content_type: contentType }),
      signal: request.signal,
      timeoutMs: TIMEOUT_MS,
    });
    const { upload_url, file_url } = JSON.parse(answer.text) as Partial<Initiated>;
    if (typeof upload_url === "string" && typeof file_url === "string") return { upload_url, file_url };
    throw new Error(`Error initiating upload. The answer has no URLs. Storage type: ${type}.`);
  }

  async #upload(
    { type }: Place,
    { upload_url: url }: Initiated,
    file: StorableFile,
    { signal }: StoreRequest,
  ): Promise<void> {
    const headers = { "content-type": file.contentType };
    const body = { ...file, start: 0, length: file.size };
    await this.#call("uploading file", type, {
      ...{ method: "PUT", url, headers, body, signal },
      timeoutMs: DATA_TIMEOUT_MS,
    });
  }

  async #uploadParts(
    place: Place,
    initiated: Initiated,
    file: StorableFile,
    request: StoreRequest,
  ): Promise<void> {
    const { signal } = request;
    // An empty file has one empty part.
    const count = Math.max(1, Math.ceil(file.size / PART_BYTES));
    const etags = await uploadInParts({
      count,
      atOnce: PARTS_AT_ONCE,
      signal,
      upload: (number, partSignal) => this.#uploadPart(place, initiated, file, number, partSignal),
    });
    const parts = etags.map((etag, index) =>
      place.isCdn
        ? { partNumber: index + 1, etag }
        : { part_number: index + 1, etag: etag.replaceAll('"', "") },
    );
    await this.#call("completing upload", place.type, {
      method: "POST",
      url: withPath(initiated.upload_url, "/complete"),
      headers: { ...(place.isCdn ? {} : this.#authorization), "content-type": "application/json" },
      body: JSON.stringify({ parts }),
      signal,
      timeoutMs: TIMEOUT_MS,
    });
  }

  async #uploadPart(
    { type, isCdn }: Place,
    { upload_url }: Initiated,
    file: StorableFile,
    number: number,
    signal: AbortSignal,
  ): Promise<string> {
    let url = withPath(upload_url, `/${number}`);
    if (!isCdn) {
      const announced = await this.#call("announcing part", type, {
        ...{ method: "POST", url, headers: this.#authorization, signal },
        timeoutMs: TIMEOUT_MS,
      });
      url = (JSON.parse(announced.text) as Initiated).upload_url;
    }
    const start = (number - 1) * PART_BYTES;
    const answer = await this.#call(`uploading part ${number}`, type, {
      method: "PUT",
      url,
      headers: { "content-type": file.contentType },
      body: { ...file, start, length: Math.min(PART_BYTES, file.size - start) },
      signal,
      timeoutMs: DATA_TIMEOUT_MS,
    });
    const { etag } = answer.headers;
    if (etag === undefined)
      throw new Error(`Error uploading part ${number}. No ETag. Storage type: ${type}.`);
    return etag;
  }

  async #call(what: string, type: string, call: StoreCall): Promise<StoreAnswer> {
    let answer: StoreAnswer;
    try {
      answer = await callStore(call);
    } catch (error) {
      call.signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`Error ${what}. ${why}. Storage type: ${type}.`, { cause: error });
    }
    if (answer.status >= 200 && answer.status < 300) return answer;
    const { status, text } = answer;
    const shown = text.length > SHOWN_BYTES ? `${text.slice(0, SHOWN_BYTES)} [truncated]` : text;
    throw new Error(`Error ${what}. Status ${status}. Storage type: ${type}. Server response: ${shown}`);
  }

  /** The caller's token and preferences, which the CDN takes. */
  #requestHeaders(request: StoreRequest): Record<string, string> {
    const own = this.#expirySeconds;
    const lifecycle =
      jsonObject(request.header("x-fal-object-lifecycle-preference")) ??
      (own === undefined ? undefined : JSON.stringify({ expiration_duration_seconds: own }));
    const token = request.header("x-fal-cdn-token");
    return {
      "x-fal-request-id": request.requestId,
      ...(token === undefined ? {} : { "x-fal-cdn-token": token }),
      ...(lifecycle === undefined
        ? {}
        : { "x-fal-object-lifecycle": lifecycle, "x-fal-object-lifecycle-preference": lifecycle }),
    };
  }

  get #authorization(): Record<string, string> {
    return { authorization: this.#account.authorization };
  }
}

/** Puts a path before the query of a URL. */
function withPath(url: string, path: string): string {
  const at = url.indexOf("?");
  return at === -1 ? url + path : url.slice(0, at) + path + url.slice(at);
}

function jsonObject(text: string | undefined): string | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "null");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? text : undefined;
  } catch {
    return undefined;
  }
}
