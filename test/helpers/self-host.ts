import { chmodSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { findDeployable } from "../../src/cli/deploy/deployable.ts";
import { startPlatform, type Platform, type PlatformOptions } from "../../src/controller/platform.ts";
import {
  runDeployment,
  type DeploymentResult,
  type DeployOptions,
} from "../../src/platform/deployment/deploy.ts";
import { parseKey } from "../../src/platform/target/credentials.ts";
import { resolveEndpoints } from "../../src/platform/target/endpoints.ts";
import { Connection } from "../../src/platform/transport/connection.ts";
import { Rest } from "../../src/platform/transport/rest.ts";
import { createAppProject } from "../../benchmarks/lib/app-project.ts";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";

/** A platform in a folder of its own, in this process, with a key that may do everything. */
export class TestPlatform implements AsyncDisposable {
  readonly folder: string;
  readonly platform: Platform;
  readonly key: string;

  private constructor(folder: string, platform: Platform, key: string) {
    this.folder = folder;
    this.platform = platform;
    this.key = key;
  }

  /** @param folder that of an earlier platform; default: a new one */
  static async start(
    options: Partial<PlatformOptions> = {},
    { folder = platformFolder(), key }: { readonly folder?: string; readonly key?: string } = {},
  ): Promise<TestPlatform> {
    const platform = await startPlatform({
      stateDirectory: folder,
      port: 0,
      owner: "me",
      log: pino({ level: process.env["LOG_LEVEL"] ?? "silent" }),
      ...options,
    });
    return new TestPlatform(folder, platform, key ?? platform.firstKey ?? "");
  }

  get url(): string {
    return this.platform.url;
  }

  get headers(): Record<string, string> {
    return { authorization: `Key ${this.key}`, "content-type": "application/json" };
  }

  /** A connection for calls of gRPC. Close it. */
  connection(key: string = this.key): Connection {
    return new Connection({
      endpoint: this.#endpoints.grpc,
      credentials: parseKey(key, "the test"),
      timeoutMs: 0,
    });
  }

  /** Deploys the class in a file, as `servable deploy` does. */
  async deploy(file: string, options: Partial<DeployOptions> = {}): Promise<DeploymentResult> {
    const { image, deployment } = await findDeployable(file);
    return this.deployImage({ ...deployment, image, ...options });
  }

  /** Deploys an image. */
  async deployImage(options: DeployOptions): Promise<DeploymentResult> {
    return TestPlatform.deployImageTo(this.url, this.key, options);
  }

  /** Deploys an image to a platform in another process. */
  static async deployImageTo(url: string, key: string, options: DeployOptions): Promise<DeploymentResult> {
    const { grpc, rest: endpoint } = resolveEndpoints({ host: url, environment: {} });
    const credentials = parseKey(key, "the test");
    using connection = new Connection({ endpoint: grpc, credentials, timeoutMs: 0 });
    const rest = new Rest({ endpoint, credentials });
    return await runDeployment({ connection, rest: rest.send }, options);
  }

  /** Calls an app with a JSON body. */
  call(path: string, input: unknown, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method: "POST",
      body: JSON.stringify(input),
      ...init,
      headers: { ...this.headers, ...init.headers },
    });
  }

  get #endpoints(): ReturnType<typeof resolveEndpoints> {
    return resolveEndpoints({ host: this.url, environment: {} });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.platform.close();
    removePlatformFolder(this.folder);
  }
}

/** A folder for a platform, which the user of the database can enter. */
export function platformFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "servable-up-")));
  chmodSync(folder, 0o755);
  return folder;
}

export function removePlatformFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** An npm project with these files, whose package `servable` is the sources of this repository. Remove it by {@link removePlatformFolder}. */
export function appProject(files: Readonly<Record<string, string>>): string {
  return createAppProject(files, {
    index: join(ROOT, "src/index.ts"),
    cli: join(ROOT, "src/cli/main.ts"),
    register: join(ROOT, "node_modules/tsx/dist/esm/api/index.mjs"),
  });
}
