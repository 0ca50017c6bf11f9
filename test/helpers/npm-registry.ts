import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** One version of a package: its files, and fields of its `package.json` beside name and version. */
export interface RegistryPackage {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly manifest?: Readonly<Record<string, unknown>>;
}

/** Packages by name and version. */
export type RegistryPackages = Readonly<Record<string, Readonly<Record<string, RegistryPackage>>>>;

/** A fault of the registry in place of its response; a number is a status. */
export type RegistryFault = "stall" | "reset" | "damage" | number;

interface Published {
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly tarball: Buffer;
}

/**
 * A local npm registry with packages made from files, counters of requests, and faults. Fast, offline,
 * and removed when disposed, with npm's cache.
 */
export class NpmRegistry {
  /** The requested paths, in order. */
  readonly requests: string[] = [];
  readonly #packages = new Map<string, Map<string, Published>>();
  readonly #faults: { readonly path: RegExp; readonly fault: RegistryFault }[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #server: Server;
  readonly #folder: string;

  private constructor(server: Server, packages: RegistryPackages) {
    this.#server = server;
    this.#folder = mkdtempSync(join(tmpdir(), "servable-registry-"));
    server.on("request", (request, response) => this.#answer(request, response));
    for (const [name, versions] of Object.entries(packages)) {
      for (const [version, content] of Object.entries(versions)) this.publish(name, version, content);
    }
  }

  /** Starts a registry on a free port. */
  static async start(packages: RegistryPackages = {}): Promise<NpmRegistry> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new NpmRegistry(server, packages);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** The variables that make npm use this registry, with a cache of its own and no delays between retries. */
  get environment(): Record<string, string> {
    return {
      npm_config_registry: this.url,
      npm_config_cache: join(this.#folder, "npm-cache"),
      npm_config_fetch_retries: "1",
      npm_config_fetch_retry_mintimeout: "1",
      npm_config_fetch_retry_maxtimeout: "5",
    };
  }

  /** Adds a version of a package. The last added version is `latest`. */
  publish(name: string, version: string, { files = {}, manifest = {} }: RegistryPackage = {}): void {
    const whole = { name, version, ...manifest };
    const content = { "package.json": JSON.stringify(whole), ...files };
    const versions = this.#packages.get(name) ?? new Map<string, Published>();
    versions.set(version, { manifest: whole, tarball: packTarball(content) });
    this.#packages.set(name, versions);
  }

  /** The number of requests for a package's archive. */
  downloads(name: string): number {
    return this.requests.filter((path) => path.startsWith(`/${name}/-/`)).length;
  }

  /** From now on, answers requests whose path matches with a fault. */
  break(path: RegExp, fault: RegistryFault): void {
    this.#faults.push({ path, fault });
  }

  /** Removes all faults. */
  mend(): void {
    this.#faults.length = 0;
  }

  /** Resolves once a request whose path matches has arrived. */
  async asked(path: RegExp): Promise<void> {
    while (!this.requests.some((request) => path.test(request))) {
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? "/");
    this.requests.push(path);
    for (const tell of this.#watchers) tell();
    this.#watchers.clear();
    const fault = this.#faults.find((rule) => rule.path.test(path))?.fault;
    if (fault === "stall") return;
    if (fault === "reset") {
      request.socket.destroy();
      return;
    }
    if (typeof fault === "number") {
      response.writeHead(fault, { "content-type": "application/json" }).end('{"error":"requested fault"}');
      return;
    }
    const archive = /^\/((?:@[^/]+\/)?[^/]+)\/-\/.*-(\d+\.\d+\.\d+[^/]*)\.tgz$/.exec(path);
    if (archive !== null) {
      const found = this.#packages.get(archive[1] ?? "")?.get(archive[2] ?? "");
      if (found !== undefined) {
        response.end(
          fault === "damage" ? found.tarball.subarray(0, found.tarball.length / 2) : found.tarball,
        );
        return;
      }
    }
    const versions = this.#packages.get(path.slice(1));
    if (versions === undefined) {
      response.writeHead(404, { "content-type": "application/json" }).end('{"error":"Not found"}');
      return;
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(this.#document(path.slice(1), versions)));
  }

  #document(name: string, versions: ReadonlyMap<string, Published>): unknown {
    const entries = [...versions].map(([version, { manifest, tarball }]): [string, unknown] => {
      const scripts = (manifest["scripts"] ?? {}) as Record<string, string>;
      return [
        version,
        {
          ...manifest,
          hasInstallScript: ["preinstall", "install", "postinstall"].some((script) => script in scripts),
          dist: {
            tarball: `${this.url}${name}/-/${name.replace(/^@[^/]+\//, "")}-${version}.tgz`,
            integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
            shasum: createHash("sha1").update(tarball).digest("hex"),
          },
        },
      ];
    });
    return {
      name,
      "dist-tags": { latest: [...versions.keys()].at(-1) },
      versions: Object.fromEntries(entries),
    };
  }
}

/** An archive as npm packs it: everything in a folder "package". */
function packTarball(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  const blocks = Object.entries(files).flatMap(([name, content]) => {
    const data = Buffer.from(content as string);
    const rest = (512 - (data.length % 512)) % 512;
    return [tarHeader(`package/${name}`, data.length), data, Buffer.alloc(rest)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, "0")}\0`;
  header.write(name, 0, 100);
  header.write(octal(0o755, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(size, 12), 124);
  header.write(octal(0, 12), 136);
  header.write(" ".repeat(8), 148);
  header.write("0", 156);
  header.write("ustar\u000000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}
