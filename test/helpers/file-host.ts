import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

/** One request that a {@link FileHost} got. */
export interface HostRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly authorization: string | undefined;
}

/** A file of a hub's repository. */
export interface HubContent {
  readonly content: Buffer;
  /** Whether the hub stores it by its SHA-256. */
  readonly isLarge?: boolean;
}

/** What happens to the next answer that has content. */
export interface Fault {
  /** The connection breaks after this number of bytes. */
  readonly breakAfter?: number;
  /** The answer stops there, and the connection stays open. */
  readonly stopAfter?: number;
  /** This status is sent instead. */
  readonly status?: number;
  /** This content is sent instead. */
  readonly content?: Buffer;
  /** The answer has the whole file although a part was asked for. */
  readonly ignoresRange?: boolean;
}

/** The commit of all files of the hub. */
const HUB_COMMIT = "0123456789abcdef0123456789abcdef01234567";

/**
 * A server of files, with ranges and validators, and of a hub: repositories, whose large files are on another origin.
 */
export class FileHost {
  readonly files = new Map<
    string,
    { content: Buffer; headers: Record<string, string>; hasValidator: boolean }
  >();
  /** By `org/model/path`. */
  readonly hub = new Map<string, HubContent>();
  readonly requests: HostRequest[] = [];
  /** Taken one by one by the answers that have content. */
  readonly faults: Fault[] = [];
  /** The token that the hub asks for. */
  token: string | undefined;
  readonly #server: Server;
  #onContent: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Starts a host on both addresses of localhost. It is closed after the test or the file that calls this. */
  static async start(): Promise<FileHost> {
    const server = createServer((request, response) => void host.#answer(request, response));
    const host = new FileHost(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    after(() => host.close());
    return host;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The hosts to allow. */
  get hosts(): string[] {
    return ["127.0.0.1", "localhost"];
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Adds a file, and returns its URL. */
  add(path: string, content: Buffer, headers: Record<string, string> = {}, hasValidator = true): string {
    this.files.set(path, { content, headers, hasValidator });
    return `${this.origin}${path}`;
  }

  /** Resolves when the next answer has sent content. */
  contentSent(): Promise<void> {
    return new Promise((resolve) => this.#onContent.push(resolve));
  }

  /** The requests for a file, by their ranges. */
  rangesOf(path: string): (string | undefined)[] {
    return this.requests.filter((each) => each.path === path).map(({ range }) => range);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", headers } = request;
    const path = (request.url ?? "").replace(/\?.*$/, "");
    this.requests.push({
      method,
      path,
      range: headers.range,
      ifRange: headers["if-range"] as string | undefined,
      authorization: headers.authorization,
    });
    const isHub = /^\/api\/|\/resolve\//.test(path);
    if (isHub && this.token !== undefined && headers.authorization !== `Bearer ${this.token}`) {
      response.writeHead(401, { "content-type": "application/json" }).end('{"error":"private"}');
      return;
    }
    if (path.startsWith("/api/")) await this.#answerHub(path, request, response);
    else if (path.includes("/resolve/")) this.#answerResolve(path, response);
    else this.#answerFile(path, request, response);
  }

  /** `POST /api/models/ORG/MODEL/paths-info/REVISION` */
  async #answerHub(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, repository = "", revision = ""] = /^\/api\/models\/(.+)\/paths-info\/(.+)$/.exec(path) ?? [];
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += String(chunk);
    const { paths = [] } = JSON.parse(body === "" ? "{}" : body) as { paths?: string[] };
    const isKnown = [...this.hub.keys()].some((key) => key.startsWith(`${repository}/`));
    if (!isKnown || !["main", HUB_COMMIT].includes(decodeURIComponent(revision))) {
      response.writeHead(404, { "content-type": "application/json" }).end('{"error":"not found"}');
      return;
    }
    const found = paths.flatMap((name) => {
      const file = this.hub.get(`${repository}/${name}`);
      if (file === undefined) return [];
      const { content, isLarge = false } = file;
      const oid = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
      const lfs = { oid: sha256Of(content), size: content.length, pointerSize: 130 };
      const lastCommit = { id: HUB_COMMIT, title: "", date: "2026-01-01T00:00:00.000Z" };
      return [
        { type: "file", path: name, size: content.length, oid, lastCommit, ...(isLarge ? { lfs } : {}) },
      ];
    });
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(found));
  }

  /** `GET /ORG/MODEL/resolve/COMMIT/PATH` */
  #answerResolve(path: string, response: ServerResponse): void {
    const [, repository = "", commit = "", name = ""] = /^\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    const file = this.hub.get(`${repository}/${decodeURIComponent(name)}`);
    if (file === undefined || commit !== HUB_COMMIT) {
      response.writeHead(404).end();
      return;
    }
    const stored = `/stored/${sha256Of(file.content)}`;
    this.add(stored, file.content);
    response.writeHead(302, { location: `http://localhost:${this.port}${stored}?signature=1` }).end();
  }

  #answerFile(path: string, request: IncomingMessage, response: ServerResponse): void {
    const file = this.files.get(path);
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    const fault = this.faults.shift() ?? {};
    if (fault.status !== undefined) {
      response.writeHead(fault.status).end();
      return;
    }
    const content = fault.content ?? file.content;
    const etag = `"${sha256Of(file.content).slice(0, 16)}"`;
    const { range, "if-range": ifRange } = request.headers;
    const begin = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? Number.NaN);
    const isPart =
      !Number.isNaN(begin) && fault.ignoresRange !== true && (ifRange === undefined || ifRange === etag);
    const validators = file.hasValidator ? { etag, "accept-ranges": "bytes" } : {};
    if (isPart && begin >= content.length) {
      response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
      return;
    }
    const body = isPart ? content.subarray(begin) : content;
    response.writeHead(isPart ? 206 : 200, {
      ...validators,
      ...file.headers,
      "content-length": body.length,
      ...(isPart ? { "content-range": `bytes ${begin}-${content.length - 1}/${content.length}` } : {}),
    });
    const sent = fault.breakAfter ?? fault.stopAfter ?? body.length;
    response.write(body.subarray(0, sent), () => {
      for (const tell of this.#onContent.splice(0)) tell();
      if (fault.breakAfter !== undefined) response.destroy();
      else if (fault.stopAfter === undefined) response.end();
    });
  }
}

/** The SHA-256 of a content, in hexadecimal. */
export function sha256Of(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
