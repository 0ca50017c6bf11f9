import { setTimeout as delay } from "node:timers/promises";
import type { StorableFile, StoreRequest } from "./file-storage.ts";
import { callStore, type StoreAnswer, type StoreCall } from "./store-client.ts";

const SOCKET = "/run/fal/api.sock";
const TIMEOUT_MS = 300_000;
/** Times to wait before a file is offered again to an uploader that is busy, in ms. */
const BUSY_WAITS_MS = [100, 200];
/** Headers that only the upload itself sets. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  ...["x-fal-application", "x-fal-cdn-token", "x-fal-file-name", "x-fal-object-lifecycle"],
  ...["x-fal-object-lifecycle-preference", "x-fal-provenance", "x-fal-request-id"],
]);

/** The uploader did not take a file: it can be stored elsewhere. After any other failure, it may be stored twice. */
export class UploaderRefusal extends Error {
  readonly isBusy: boolean;

  constructor(message: string, isBusy = false) {
    super(message);
    this.isBusy = isBusy;
  }
}

/** A session for a file whose content comes later. */
interface UploadSession {
  readonly url: string;
  complete(file: StorableFile, signal: AbortSignal): Promise<void>;
  abort(): Promise<void>;
}

/** The uploader of a fal machine, a program that keeps a file and sends it to the CDN after the answer. */
export class FalUploader {
  readonly #socketPath: string;
  readonly #application: Readonly<Record<string, string>>;

  private constructor(socketPath: string, appName: string | undefined) {
    this.#socketPath = socketPath;
    this.#application = appName ? { "x-fal-application": appName } : {};
  }

  /** The uploader, if the variable `FAL_USE_LOCAL_UPLOADER` asks for it. */
  static of(environment: NodeJS.ProcessEnv): FalUploader | undefined {
    const { FAL_USE_LOCAL_UPLOADER, FAL_API_SOCKET, FAL_APP_NAME } = environment;
    const isWanted = !["", "0", "false"].includes((FAL_USE_LOCAL_UPLOADER ?? "").trim().toLowerCase());
    return isWanted ? new FalUploader(FAL_API_SOCKET ?? SOCKET, FAL_APP_NAME) : undefined;
  }

  /**
   * Hands a file over. Resolves to its URL once the uploader has all of it.
   * @throws UploaderRefusal if the uploader did not take it
   */
  async store(
    file: StorableFile,
    headers: Readonly<Record<string, string>>,
    request: StoreRequest,
  ): Promise<string> {
    const call = {
      method: "POST",
      headers: this.#headersOf(file, headers, request),
      body: { ...file, start: 0, length: file.size },
      signal: request.signal,
    } as const;
    for (const waitMs of BUSY_WAITS_MS) {
      try {
        return receiptOf(await this.#call("/v1/uploads", 202, call), "accepted_local").url;
      } catch (error) {
        if (!(error instanceof UploaderRefusal && error.isBusy)) throw error;
        await delay(waitMs, undefined, { signal: request.signal });
      }
    }
    return receiptOf(await this.#call("/v1/uploads", 202, call), "accepted_local").url;
  }

  /**
   * Opens a session for a file.
   * @throws UploaderRefusal if the uploader opened none
   */
  async reserve(
    file: Pick<StorableFile, "fileName" | "contentType">,
    headers: Readonly<Record<string, string>>,
    request: StoreRequest,
  ): Promise<UploadSession> {
    const { signal } = request;
    const opened = await this.#call("/v1/upload-sessions", 201, {
      ...{ method: "POST", headers: this.#headersOf(file, headers, request), signal },
    });
    const { id, url } = receiptOf(opened, "receiving");
    const path = `/v1/upload-sessions/${encodeURIComponent(id)}`;
    const abort = async (): Promise<void> => {
      const own = AbortSignal.timeout(TIMEOUT_MS);
      await this.#call(path, 202, { method: "DELETE", headers: this.#application, signal: own }).catch(
        () => {},
      );
    };
    return {
      url,
      abort,
      complete: async (content, until) => {
        try {
          const body = { ...content, start: 0, length: content.size };
          await this.#call(`${path}/body`, 204, {
            method: "PUT",
            headers: this.#application,
            body,
            signal: until,
          });
          const finished = await this.#call(`${path}/finish`, 202, {
            method: "POST",
            headers: { ...this.#application, "content-type": "application/json" },
            body: JSON.stringify({ size_bytes: content.size }),
            signal: until,
          });
          receiptOf(finished, "accepted_local");
        } catch (error) {
          await abort();
          throw error;
        }
      },
    };
  }

  async #call(
    path: string,
    expected: number,
    call: Pick<StoreCall, "method" | "headers" | "body" | "signal">,
  ): Promise<StoreAnswer> {
    let answer: StoreAnswer;
    try {
      const url = `http://localhost${path}`;
      // A second attempt could store a file twice.
      answer = await callStore({
        ...call,
        url,
        socketPath: this.#socketPath,
        timeoutMs: TIMEOUT_MS,
        attempts: 1,
      });
    } catch (error) {
      call.signal.throwIfAborted();
      const { syscall, code } = error as NodeJS.ErrnoException;
      const message = `The uploader of this machine failed: ${code ?? (error as Error).message}`;
      // Then it has not got all of the file.
      throw syscall === "connect" || syscall === "write" ? new UploaderRefusal(message) : new Error(message);
    }
    const { status } = answer;
    if (status === expected) return answer;
    const message = `The uploader of this machine answered with ${status}`;
    throw status < 500 ? new UploaderRefusal(message, status === 429) : new Error(message);
  }

  /** The headers of an upload, with those of the request that the gateway has set. */
  #headersOf(
    { fileName, contentType }: Pick<StorableFile, "fileName" | "contentType">,
    headers: Readonly<Record<string, string>>,
    request: StoreRequest,
  ): Record<string, string> {
    const forwarded: Record<string, string> = {};
    for (const name of request.headerNames?.() ?? []) {
      const value = request.header(name);
      if (!name.startsWith("x-fal-") || OWN_HEADERS.has(name) || value === undefined) continue;
      if (/^[\t\x20-\x7e]*$/.test(value)) forwarded[name] = value;
    }
    return {
      ...forwarded,
      ...this.#application,
      ...headers,
      "content-type": contentType,
      "x-fal-file-name": fileName.replaceAll(/[^\x20-\x7e]/gu, "?").trim(),
    };
  }
}

function receiptOf({ text }: StoreAnswer, expected: string): { id: string; url: string } {
  try {
    const { state, upload_id: id, file_url: url } = JSON.parse(text) as Record<string, unknown>;
    if (state === expected && typeof id === "string" && typeof url === "string") return { id, url };
  } catch {
    // reported below
  }
  throw new Error("The uploader of this machine gave an invalid answer");
}
