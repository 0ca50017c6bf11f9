import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

interface Account {
  readonly user: string;
  readonly password: string;
}

/** A local image registry without TLS, with one account. Stops when disposed. */
export class ImageRegistry implements AsyncDisposable {
  /** Its address, as the prefix of image names. */
  readonly host: string;
  readonly #account: Account;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(host: string, account: Account, child: ChildProcess, folder: string) {
    this.host = host;
    this.#account = account;
    this.#process = child;
    this.#folder = folder;
  }

  static async start(): Promise<ImageRegistry> {
    const folder = mkdtempSync(join(tmpdir(), "servable-registry-"));
    const settings = {
      version: 0.1,
      log: { level: "info", formatter: "json", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: folder } },
      http: { addr: "127.0.0.1:0" },
      // The registry creates this file, and prints its account.
      auth: { htpasswd: { realm: "test", path: join(folder, "htpasswd") } },
    };
    writeFileSync(join(folder, "config.yml"), JSON.stringify(settings));
    const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    await once(child, "spawn");
    let account: Account | undefined;
    let host: string | undefined;
    for await (const line of createInterface({ input: child.stderr })) {
      const entry = JSON.parse(line) as { readonly msg: string } & Partial<Account>;
      const { user, password } = entry;
      if (user !== undefined && password !== undefined) account = { user, password };
      [, host] = /^listening on (\S+)$/.exec(entry.msg) ?? [];
      if (host !== undefined) break;
    }
    child.stderr.resume();
    assert.ok(host !== undefined && account !== undefined, "the registry listens");
    return new ImageRegistry(host, account, child, folder);
  }

  /** The variable that allows Podman and Buildah to use this registry without TLS. */
  trust(): NodeJS.ProcessEnv {
    const path = join(this.#folder, "registries.conf");
    writeFileSync(path, `[[registry]]\nlocation = "${this.host}"\ninsecure = true\n`);
    return { CONTAINERS_REGISTRIES_CONF: path };
  }

  /** The variables that point to the login, stored as the builders' own commands store it. */
  login(): NodeJS.ProcessEnv {
    const path = join(this.#folder, "config.json");
    writeFileSync(path, JSON.stringify({ auths: { [this.host]: { auth: this.#credentials() } } }));
    return { REGISTRY_AUTH_FILE: path, DOCKER_CONFIG: this.#folder };
  }

  /** The digest of an image in it: the image's id. */
  async idOf(name: string, tag: string): Promise<string | undefined> {
    const response = await fetch(`http://${this.host}/v2/${name}/manifests/${tag}`, {
      headers: {
        authorization: `Basic ${this.#credentials()}`,
        accept: "application/vnd.docker.distribution.manifest.v2+json",
      },
    });
    if (response.status === 404) return undefined;
    assert.equal(response.status, 200);
    return ((await response.json()) as { config: { digest: string } }).config.digest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, "close");
    this.#process.kill();
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #credentials(): string {
    return Buffer.from(`${this.#account.user}:${this.#account.password}`).toString("base64");
  }
}
