import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STREAMED_BODY, type RestCall } from "../../src/platform/transport/rest.ts";

/** A fault of the store in place of its response. */
export type StoreFault =
  | "stall" // reads the request and never answers
  | "disconnect" // breaks the connection after the first bytes of the body
  | "lose" // handles the request, then breaks the connection instead of answering
  | "garbage" // answers 200 with invalid JSON
  | { readonly status: number; readonly detail?: string; readonly retryAfter?: string };

interface Rule {
  readonly method: string;
  readonly path: RegExp;
  readonly fault: StoreFault;
  left: number;
}

interface Upload {
  readonly hash: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Part number → tag and size. */
  readonly parts: Map<number, { readonly etag: string; readonly size: number }>;
}

/** A response whose status is not 200. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const PART_BYTES = 10 * 1024 ** 2;

/**
 * A store of app files, like a control plane's, on a port of its own. It checks each request: the form of each part,
 * sizes, tags and hashes. Its files stay on the disk until it is disposed.
 */
export class FileStore {
  /** Method and path of each request, in order; upload ids are replaced by `ID`. */
  readonly requests: string[] = [];
  /** The hashes of each request that asks which files are missing. */
  readonly questions: string[][] = [];
  readonly files = new Map<
    string,
    { readonly size: number; readonly metadata: Readonly<Record<string, string>> }
  >();
  /** Uploads that are neither completed nor cancelled. */
  readonly uploads = new Map<string, Upload>();
  /** The highest number of concurrent requests. */
  mostAtOnce = 0;
  #running = 0;
  #nextId = 1;
  readonly #rules: Rule[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #server: Server;
  readonly #folder = mkdtempSync(join(tmpdir(), "servable-store-"));

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<FileStore> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FileStore(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A new REST caller, as each client of a control plane has one. */
  rest(): RestCall {
    return restTo(this.url);
  }

  /** Answers the next `times` requests that match with a fault. */
  break(method: string, path: RegExp, fault: StoreFault, times: number = Infinity): void {
    this.#rules.push({ method, path, fault, left: times });
  }

  /** Removes all faults. */
  mend(): void {
    this.#rules.length = 0;
  }

  /** The number of requests that match. */
  count(pattern: RegExp): number {
    return this.requests.filter((request) => pattern.test(request)).length;
  }

  /** Resolves once `count` matching requests have arrived. */
  async asked(pattern: RegExp, times: number = 1): Promise<void> {
    while (this.count(pattern) < times) {
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  /** The bytes of a file. */
  async read(hash: string): Promise<Buffer> {
    return readFile(join(this.#folder, hash));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => {});
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#running);
    response.once("close", () => this.#running--);
    const { method = "", url = "" } = request;
    this.requests.push(`${method} ${url.replace(/\/upload-\d+(?=\/|$)/, "/ID")}`);
    for (const tell of this.#watchers) tell();
    this.#watchers.clear();
    const fault = this.#fault(method, url);
    if (fault === "disconnect") {
      request.once("data", () => request.socket.destroy());
      return;
    }
    try {
      const body = await bodyOf(request);
      if (fault === "stall") return;
      if (fault === "garbage") return void response.end("<html>It works!</html>");
      if (typeof fault === "object") {
        if (fault.retryAfter !== undefined) response.setHeader("retry-after", fault.retryAfter);
        throw new Refusal(fault.status, fault.detail ?? "requested fault");
      }
      const answer = await this.#answer(method, url, request, body);
      if (fault === "lose") request.socket.destroy();
      else response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
    } catch (error) {
      if (request.socket.destroyed) return; // the caller has disconnected
      response.statusCode = error instanceof Refusal ? error.status : 500;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ detail: error instanceof Error ? error.message : String(error) }));
    }
  }

  #fault(method: string, url: string): StoreFault | undefined {
    const rule = this.#rules.find((rule) => rule.left > 0 && rule.method === method && rule.path.test(url));
    if (rule !== undefined) rule.left--;
    return rule?.fault;
  }

  async #answer(method: string, url: string, request: IncomingMessage, body: Buffer): Promise<unknown> {
    if (method === "POST" && url === "/files/missing_hashes") return this.#missing(jsonOf(request, body));
    const [, hash = "", rest = ""] = /^\/files\/app\/multipart\/([0-9a-f]{64})\/(.+)$/.exec(url) ?? [];
    if (method === "POST" && rest === "initiate") return this.#initiate(hash, jsonOf(request, body));
    const [id = "", action = ""] = rest.split("/");
    const upload = this.uploads.get(id);
    if (upload === undefined || upload.hash !== hash) throw new Refusal(404, "Not Found");
    if (method === "PUT" && /^[1-9]\d*$/.test(action)) {
      return this.#part(id, upload, Number(action), request, body);
    }
    if (method === "POST" && action === "complete") return this.#complete(id, upload, jsonOf(request, body));
    if (method === "POST" && action === "cancel") {
      this.uploads.delete(id);
      return {};
    }
    throw new Refusal(404, "Not Found");
  }

  #missing({ hashes }: Readonly<Record<string, unknown>>): string[] {
    if (!Array.isArray(hashes) || !hashes.every((hash) => /^[0-9a-f]{64}$/.test(String(hash)))) {
      throw new Refusal(422, "hashes is no list of hashes");
    }
    this.questions.push(hashes as string[]);
    return (hashes as string[]).filter((hash) => !this.files.has(hash));
  }

  #initiate(hash: string, body: Readonly<Record<string, unknown>>): unknown {
    const names = Object.keys(body).sort().join();
    const isText = Object.values(body).every((value) => typeof value === "string");
    if (names !== "hash,mode,mtime,size" || !isText || body["hash"] !== hash) {
      throw new Refusal(422, `not the metadata of a file: ${JSON.stringify(body)}`);
    }
    if (this.files.has(hash)) throw new Refusal(409, "File already exists");
    const id = `upload-${this.#nextId++}`;
    this.uploads.set(id, { hash, metadata: body as Record<string, string>, parts: new Map() });
    return { upload_id: id };
  }

  async #part(
    id: string,
    upload: Upload,
    part: number,
    request: IncomingMessage,
    body: Buffer,
  ): Promise<unknown> {
    if (request.headers["content-length"] !== String(body.length))
      throw new Refusal(411, "no content-length was sent");
    const headers = { "content-type": request.headers["content-type"] ?? "" };
    const fields = [...(await new Response(body, { headers }).formData()).entries()];
    const [[name, file] = []] = fields;
    if (fields.length !== 1 || name !== "file_upload" || !(file instanceof Blob)) {
      throw new Refusal(422, "not a form of one file");
    }
    const { name: fileName } = file as File;
    if (fileName !== "chunk" || file.type !== "application/octet-stream") {
      throw new Refusal(422, `not a chunk: ${fileName} ${file.type}`);
    }
    const size = Number(upload.metadata["size"]);
    const wanted = Math.min(PART_BYTES, size - (part - 1) * PART_BYTES);
    if (file.size !== wanted) throw new Refusal(422, `part ${part} has ${file.size} bytes, not ${wanted}`);
    const bytes = Buffer.from(await file.arrayBuffer());
    const etag = createHash("md5").update(bytes).digest("hex");
    await writeFile(join(this.#folder, `${id}-${part}`), bytes);
    upload.parts.set(part, { etag, size: bytes.length });
    return { part_number: part, etag };
  }

  async #complete(id: string, upload: Upload, body: Readonly<Record<string, unknown>>): Promise<unknown> {
    const sorted = [...upload.parts].sort(([a], [b]) => a - b);
    const wanted = sorted.map(([part_number, { etag }]) => ({ part_number, etag }));
    if (JSON.stringify(body["parts"]) !== JSON.stringify(wanted)) {
      throw new Refusal(400, `not the parts that are here: ${JSON.stringify(body["parts"])}`);
    }
    if (JSON.stringify(body["metadata"]) !== JSON.stringify(upload.metadata)) {
      throw new Refusal(400, "not the metadata of before");
    }
    const size = sorted.reduce((total, [, part]) => total + part.size, 0);
    if (String(size) !== upload.metadata["size"]) throw new Refusal(400, `${size} bytes are here`);
    const sum = createHash("sha256");
    // Another upload of the same content may be read at the same time.
    const target = join(this.#folder, `${upload.hash}-${id}`);
    await writeFile(target, "");
    for (const [part] of sorted) {
      for await (const chunk of createReadStream(join(this.#folder, `${id}-${part}`))) {
        sum.update(chunk as Buffer);
        await appendFile(target, chunk as Buffer);
      }
    }
    if (sum.update(upload.metadata["mode"] ?? "").digest("hex") !== upload.hash) {
      throw new Refusal(400, "Hash mismatch");
    }
    await rename(target, join(this.#folder, upload.hash));
    this.uploads.delete(id);
    this.files.set(upload.hash, { size, metadata: upload.metadata });
    return {
      etag: createHash("md5")
        .update(wanted.map(({ etag }) => etag).join(""))
        .digest("hex"),
    };
  }
}

/** Sends requests to a server, without credentials. */
export function restTo(url: string): RestCall {
  return async ({ method, path, body, headers, signal }) =>
    fetch(`${url}${path}`, {
      method,
      ...(body === undefined ? {} : { body, ...STREAMED_BODY }),
      ...(headers === undefined ? {} : { headers }),
      ...(signal === undefined ? {} : { signal }),
    });
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function jsonOf(request: IncomingMessage, body: Buffer): Readonly<Record<string, unknown>> {
  if (request.headers["content-type"] !== "application/json") throw new Refusal(415, "no JSON");
  return JSON.parse(String(body)) as Readonly<Record<string, unknown>>;
}
