import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { LogLevel, LogSource } from "../../src/platform/generated/common_pb.ts";
import {
  HostedRunStatus_State,
  type HostedRun,
  type HostedRunResultSchema,
} from "../../src/platform/generated/controller_pb.ts";
import type { ServerSettings } from "../../src/hosts/serverless/server/container-layout.ts";
import { ControlPlane, type ControlPlaneScripts, type HandlerCall } from "./control-plane.ts";
import { FileStore } from "./file-store.ts";
import { freePort } from "./free-port.ts";

/** A running app: its process, and its address. */
export interface Launched {
  readonly process: ChildProcess;
  readonly port: number;
}

/** Starts apps. */
export interface Launcher {
  /** Builds the image. Default: does nothing. */
  build?(root: string, image: JsonObject): Promise<void>;
  /** Starts the app whose files are in the folder. */
  launch(root: string, image: JsonObject): Promise<Launched>;
}

type Result = MessageInitShape<typeof HostedRunResultSchema>;

/**
 * A platform that runs the apps deployed to it: a control plane, a file store and a gateway, on local ports. By
 * default each app is a local process with this project's packages; a {@link Launcher} may start it in another way.
 */
export class FunctionPlatform implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly store: FileStore;
  /** The running apps. */
  readonly apps = new Map<string, Launched>();
  /** Requests to the gateway: method, path and status of the response. */
  readonly calls: string[] = [];
  /** Statuses with which the next calls are refused, one each. */
  readonly refusals: number[] = [];
  readonly #stop: (() => Promise<void>)[];

  private constructor(plane: ControlPlane, store: FileStore, stop: (() => Promise<void>)[]) {
    this.plane = plane;
    this.store = store;
    this.#stop = stop;
  }

  /** @param scripts replace this platform's own scripts */
  static async start(
    scripts: ControlPlaneScripts = {},
    launcher: Launcher = processLauncher,
  ): Promise<FunctionPlatform> {
    const store = await FileStore.start();
    let platform: FunctionPlatform | undefined;
    const gateway = createServer((request, response) => void platform?.forward(request, response)).listen(
      0,
      "127.0.0.1",
    );
    await once(gateway, "listening");
    const gatewayUrl = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
    const plane = await ControlPlane.start({
      grpc: {
        async *buildEnvironment({ environments, files }) {
          yield { logs: [log("installing packages", LogSource.BUILDER, LogLevel.INFO)] };
          const root = await placeFiles(store, files);
          try {
            await launcher.build?.(root, imageOf(environments));
          } catch (error) {
            const logs = [log((error as Error).message, LogSource.BUILDER, LogLevel.ERROR)];
            yield { status: { state: HostedRunStatus_State.INTERNAL_FAILURE }, logs };
            return;
          } finally {
            rmSync(root, { recursive: true, force: true });
          }
          yield { status: { state: HostedRunStatus_State.SUCCESS } };
        },
        run: (request, call) => (platform as FunctionPlatform).#run(launcher, gatewayUrl, request, call),
        ...scripts,
      },
    });
    platform = new FunctionPlatform(plane, store, [
      async () => {
        gateway.closeAllConnections();
        gateway.close();
        await once(gateway, "close");
      },
      () => plane[Symbol.asyncDispose](),
      () => store[Symbol.asyncDispose](),
    ]);
    return platform;
  }

  /** Sets the environment variables of this process so that clients use this platform. */
  useEnvironment(): void {
    Object.assign(process.env, { ...this.plane.environment, FAL_REST_HOST: this.store.url });
  }

  /** Resolves once no app is running. */
  async empty(): Promise<void> {
    while (this.apps.size > 0) await delay(10);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process: child } of this.apps.values()) child.kill("SIGKILL");
    for (const stop of this.#stop) await stop();
  }

  async *#run(
    launcher: Launcher,
    gatewayUrl: string,
    { environments, files }: HostedRun,
    { signal }: HandlerCall,
  ): AsyncGenerator<Result> {
    const id = `run-${this.plane.requestsOf("run").length}`;
    const root = await placeFiles(this.store, files);
    const queue: Result[] = [];
    let wake = (): void => {};
    const push = (result: Result): void => {
      queue.push(result);
      wake();
    };
    const app = await launcher.launch(root, imageOf(environments));
    this.apps.set(id, app);
    const { process: child } = app;
    let hasEnded = false;
    for (const [name, level] of [
      ["stdout", LogLevel.STDOUT],
      ["stderr", LogLevel.STDERR],
    ] as const) {
      createInterface({ input: child[name] as NodeJS.ReadableStream }).on("line", (line) =>
        push({ runId: id, logs: [log(line, LogSource.USER, level)] }),
      );
    }
    const closed = once(child, "close").then(() => {
      hasEnded = true;
      this.apps.delete(id);
      rmSync(root, { recursive: true, force: true });
      push({
        runId: id,
        status: { state: HostedRunStatus_State.INTERNAL_FAILURE },
        logs: [log("the runner ended", LogSource.BRIDGE, LogLevel.ERROR)],
      });
    });
    signal.addEventListener("abort", () => {
      child.kill("SIGTERM");
      wake();
    });
    push({ runId: id, serviceUrls: { run: `${gatewayUrl}/${id}` } });
    while (!signal.aborted) {
      const result = queue.shift();
      if (result === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else yield result;
      if (hasEnded && queue.length === 0) return;
    }
    await closed;
  }

  /** Forwards a request to its app, once the app is ready. */
  async forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    const answer = (status: number, detail: string): void => {
      this.calls.push(`${method} ${url} ${status}`);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ detail }));
    };
    const refusal = this.refusals.shift();
    if (refusal !== undefined) return answer(refusal, "Not now");
    if (headers.authorization !== `Key ${this.plane.key}`) return answer(401, "Invalid key");
    const [, id = "", path = ""] = /^\/([^/]+)(\/.*)?$/.exec(url) ?? [];
    const app = this.apps.get(id);
    if (app === undefined) return answer(404, "Not Found");
    while (!(await isHealthy(app.port))) {
      if (!this.apps.has(id)) return answer(502, "The runner ended");
      await delay(20);
    }
    const inner = httpRequest(
      { port: app.port, host: "127.0.0.1", method, path: path || "/", headers },
      (from) => {
        this.calls.push(`${method} ${url} ${from.statusCode}`);
        response.writeHead(from.statusCode ?? 500, from.headers);
        from.pipe(response);
        from.once("error", () => response.destroy());
      },
    );
    inner.once("error", () => response.destroy());
    response.once("close", () => inner.destroy());
    request.pipe(inner);
  }
}

/** Starts an app as a local process: its files, with this project's packages in place of installed ones. */
const processLauncher: Launcher = {
  async launch(root) {
    const settingsFile = join(root, "server/settings.json");
    const settings = JSON.parse(readFileSync(settingsFile, "utf8")) as ServerSettings;
    const port = await freePort();
    const served =
      settings.served === undefined ? {} : { served: { ...settings.served, metricsPort: await freePort() } };
    writeFileSync(settingsFile, JSON.stringify({ ...settings, ...served, port }));
    const packages = join(import.meta.dirname, "../../node_modules");
    for (const folder of ["server", "function"]) {
      const manifest = readManifest(join(root, folder, "package.json"));
      const names = Object.keys(manifest?.allowScripts ?? {});
      for (const name of names) {
        const link = join(root, folder, "node_modules", name);
        mkdirSync(dirname(link), { recursive: true });
        symlinkSync(join(packages, name), link);
      }
    }
    const child = spawn(process.execPath, [join(root, "server/server.mjs")], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], A_SECRET_OF_THE_PLATFORM: "hush" },
    });
    return { process: child, port };
  },
};

function readManifest(path: string): { readonly allowScripts?: object } | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as { allowScripts?: object };
  } catch {
    return undefined;
  }
}

async function placeFiles(store: FileStore, files: HostedRun["files"]): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "servable-app-"));
  for (const { hash, relativePath } of files) {
    const path = join(root, relativePath);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, await store.read(hash));
  }
  return root;
}

function imageOf([environment]: HostedRun["environments"]): JsonObject {
  return environment?.configuration?.["image"] as JsonObject;
}

function log(message: string, source: LogSource, level: LogLevel): NonNullable<Result["logs"]>[number] {
  return { message, source, level };
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/health`);
    return answer.ok;
  } catch {
    return false;
  }
}
