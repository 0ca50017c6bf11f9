import { createHash } from "node:crypto";
import { mkdirSync, realpathSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { totalmem } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { NpmEnvironments } from "../environments/npm-environments.ts";
import type { LogEntry } from "../log-entry.ts";
import type { ControlServiceParts } from "./api/service-parts.ts";
import { fileRoutes } from "./api/file-routes.ts";
import { kvRoutes } from "./api/kv-routes.ts";
import { ObjectAccess } from "./api/object-access.ts";
import { objectRoutes } from "./api/object-routes.ts";
import { uploadRoutes } from "./api/upload-routes.ts";
import { originOf } from "./objects/object-origin.ts";
import { openObjects } from "./objects/open-objects.ts";
import { keyRoutes } from "./api/key-routes.ts";
import { logRoutes } from "./api/log-routes.ts";
import { queueControlRoutes } from "./api/queue-control-routes.ts";
import { platformRoutes } from "./api/platform-routes.ts";
import { RestApi } from "./api/rest.ts";
import { webhookRoutes } from "./api/webhook-routes.ts";
import { AppImages } from "./engines/container/app-images.ts";
import { ContainerRunnerEngine } from "./engines/container/container-runner-engine.ts";
import { Engines } from "./engines/engines.ts";
import { findGpus } from "./engines/gpu-inventory.ts";
import { ProcessEngine } from "./engines/process/process-engine.ts";
import { AppFolders } from "./engines/process/app-folders.ts";
import { platformFailure } from "./failure.ts";
import { openQueue } from "./gateway/open-queue.ts";
import { Gateway } from "./gateway/gateway.ts";
import { answerError, GatewayError } from "./gateway/gateway-error.ts";
import { KeyRing } from "./gateway/key-ring.ts";
import { RunnerLogs } from "./logs/runner-logs.ts";
import { RunnerOutput } from "./logs/runner-output.ts";
import { FrontDoor } from "./port/front-door.ts";
import { PlatformMetrics } from "./metrics/platform-metrics.ts";
import { MachineRoom } from "./scheduler/machine-room.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { readSettings } from "./settings/settings-file.ts";
import { createKey, listKeys } from "./state/keys.ts";
import type { Gpu } from "./state/gpus.ts";
import { MachineTypes } from "./state/machine-types.ts";
import { permissionsOfPreset } from "./state/permissions.ts";
import { aliasOf } from "./state/app-names.ts";
import { FileStore } from "./state/files.ts";
import { ValueQuota } from "./state/kv.ts";
import { SecretBox } from "./state/secrets.ts";
import { Database } from "./store/database.ts";
import { takeFolder } from "./store/folder-lock.ts";
import { migrate } from "./store/migrations.ts";
import { PostgresServer } from "./store/postgres-server.ts";
import { CertificateKeeper } from "./tls/certificate-keeper.ts";
import type { CertificateSource } from "./tls/certificates.ts";
import { Shortages } from "./shortages.ts";
import { Upkeep } from "./upkeep.ts";
import { openWebhooks } from "./webhooks/webhooks.ts";

/** Options of {@link startPlatform}. */
export interface PlatformOptions {
  /** The folder of everything that the platform keeps. */
  readonly stateDirectory: string;
  /** The address to listen on. Default 127.0.0.1: this machine only. */
  readonly host?: string | undefined;
  /** 0: any free port. */
  readonly port: number;
  /** A database of one's own: `postgres://…`. Default: one of the platform's, in the folder. */
  readonly databaseUrl?: string | undefined;
  /** The first part of the addresses of all apps. */
  readonly owner: string;
  /** Speaks TLS with this certificate. */
  readonly tls?: CertificateSource | undefined;
  /** Default: processes where an app can be one, otherwise containers. */
  readonly engine?: EngineChoice | undefined;
  /** The devices for runners. Default: those that NVIDIA's driver lists. */
  readonly gpus?: readonly Gpu[] | undefined;
  readonly log: Logger;
  /** Time after which sockets of a runner that is replaced are closed, in milliseconds. Default 60 s. */
  readonly evictMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with each line about what is being prepared. */
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** The engines that run runners. */
export type EngineChoice = "auto" | "process" | "container";

/** A running platform. */
export interface Platform {
  /** `http://127.0.0.1:8787`. */
  readonly url: string;
  /** The file with the platform's own authority, which clients have to trust. */
  readonly authorityFile: string | undefined;
  /** A key that may do everything, `ID:SECRET`: only if there was none before. */
  readonly firstKey: string | undefined;
  /** Makes another key that may do everything. */
  createKey(description: string): Promise<string>;
  /** Whether a key, `ID:SECRET`, is valid. */
  accepts(key: string): Promise<boolean>;
  /** Ends the platform. With `keepRunners`, runners continue, and the next start takes them over. */
  close(options?: { readonly keepRunners?: boolean }): Promise<void>;
}

/** Time for runners to finish when the platform stops, in milliseconds. */
const STOP_MS = 30_000;
/** The part of the machine's memory that runners get: the rest is for the platform, its database and the system. */
const USED_SHARE = 0.9;

/**
 * Starts the self-hosted platform: a database, the gateway and the control plane on one port, and the runners of all apps.
 * @throws StartupError that says what to do, for example if another platform uses the folder
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { stateDirectory: root, log, owner, signal, onProgress = () => {} } = options;
  mkdirSync(root, { recursive: true, mode: 0o755 });
  const settings = await readSettings(root);
  const lock = await takeFolder(root);
  const closing: (() => Promise<void> | void)[] = [() => lock.release()];
  const closeAll = async (): Promise<void> => {
    for (const close of closing.splice(0).toReversed()) await close();
  };
  try {
    const database = await openDatabase(options, closing);
    onProgress("the tables are up to date");
    const secrets = SecretBox.open(join(root, "secrets.key"));
    const keys = await KeyRing.open(database);
    const files = new FileStore(join(root, "files"), settings.quotas.filesMb * 1e6);
    const environments = new NpmEnvironments({ cacheDirectory: join(root, "cache") });
    const output = new RunnerOutput(join(root, "runners"));
    const logs = new RunnerLogs(output);
    const engines = await chooseEngines(
      options.engine ?? "auto",
      new ProcessEngine(new AppFolders(root, files, environments), output, logs),
      new ContainerRunnerEngine({
        folder: join(root, "containers"),
        platform: createHash("sha256").update(realpathSync(root)).digest("hex").slice(0, 16),
        images: new AppImages(files),
        output,
        logs,
      }),
    );
    const machineTypes = new MachineTypes(settings.machine.types);
    const { memoryMb } = settings.machine;
    const machine = new MachineRoom({
      memoryBytes: memoryMb === "auto" ? machineMemory() * USED_SHARE : memoryMb * 1e6,
      gpus: options.gpus ?? (await findGpus()),
    });
    const start = performance.now();
    const epoch = Date.now();
    let port = 0;
    const metrics = new PlatformMetrics();
    closing.push(() => metrics.close());
    const scheduler = new Scheduler({
      ...{ database, engines, machine, machineTypes, secrets, owner, log },
      evictMs: options.evictMs,
      announceUrl: () => `http://127.0.0.1:${port}`,
      runnerToken: (id) => keys.runnerToken(id),
      onStarted: (revision, times) => metrics.started(aliasOf(revision), times),
      onFailed: (revision) => metrics.failed(aliasOf(revision)),
      now: () => (epoch + performance.now() - start) / 1_000,
    });
    const { signer, sender } = await openWebhooks(
      { database, secrets, owner, log },
      { allowPrivate: settings.webhooks.allowPrivate },
    );
    closing.push(() => sender.close());
    const queueing = openQueue({ database, scheduler, metrics, settings, log });
    closing.push(() => queueing.close());
    queueing.queue.listen({
      onEnded: ({ webhookUrl }) => {
        if (webhookUrl !== null) sender.wake();
      },
    });
    const gateway = new Gateway({
      ...{ scheduler, keys, owner, traffic: metrics, limits: settings.limits, log },
      queue: queueing,
    });
    const folders = ["", "files", "runners", "postgres", "cache"].map((name) => join(root, name));
    const shortages = new Shortages(folders, log);
    closing.push(() => shortages.close());
    const host = options.host ?? "127.0.0.1";
    const certificate = options.tls && new CertificateKeeper(root, withName(options.tls, host), log);
    const scheme = certificate === undefined ? "http" : "https";
    const publicUrl = (): string => `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
    const onError = (error: unknown, url: string): void =>
      log.error({ error: (error as Error).stack, url }, "a request failed");
    const objects = openObjects(root, settings, database);
    const access = new ObjectAccess(keys, scheduler);
    const origin = (request: IncomingMessage): string => originOf(request, publicUrl());
    const filesOrigin = (request: IncomingMessage): string =>
      settings.storage.publicUrl?.replace(/\/+$/, "") ?? origin(request);
    const rest = new RestApi(
      [
        ...fileRoutes(files),
        ...uploadRoutes({ objects, access, keys, origin, filesOrigin }),
        ...objectRoutes({ objects, access, filesOrigin }),
        ...kvRoutes({ database, scheduler, keys, quota: new ValueQuota(settings.quotas.valuesMb * 1e6) }),
        ...keyRoutes({ database, keys }),
        ...queueControlRoutes({ database, owner, queue: queueing.queue }),
        ...logRoutes({ database, logs }),
        ...webhookRoutes({ database, signer, sender }),
        ...platformRoutes({ database, scheduler, machine, keys, owner, metrics, shortages, publicUrl }),
      ],
      keys,
      onError,
    );
    if (owner === "queue" || rest.uses(owner)) {
      throw platformFailure(
        `The owner can't be "${owner}": the platform has addresses of its own at /${owner}. Choose another --owner.`,
      );
    }
    const calls = await callHandler({
      database,
      scheduler,
      engines,
      machine,
      machineTypes,
      files,
      logs,
      secrets,
      keys,
      owner,
      publicUrl,
      log,
    });
    const door = new FrontDoor(
      {
        onRequest: (request, response) => {
          if (gateway.handle(request, response) || rest.handle(request, response)) return;
          answerError(
            response,
            new GatewayError(
              "not_found",
              `There is nothing at ${(request.url ?? "").slice(0, 200)}. Apps are at /${owner}/APP.`,
            ),
          );
        },
        onUpgrade: (request, socket, head) => {
          if (!gateway.handleUpgrade(request, socket, head)) socket.destroy();
        },
        onCall: calls,
        onRefused: () => shortages.refused(),
      },
      certificate?.current,
    );
    certificate?.keepFresh((renewed) => door.renew(renewed));
    closing.push(() => certificate?.close());
    // Runners learn the port when they are started. Connections wait until all runners are taken over.
    ({ port } = await door.listen({ host, port: options.port }));
    closing.push(() => door.close());
    closing.push(() => gateway.close());
    await scheduler.start();
    await queueing.dispatcher.start();
    door.open();
    const upkeep = new Upkeep({ database, engines, output, logs, files, objects, settings, log });
    closing.push(() => upkeep.close());
    signal?.throwIfAborted();
    return {
      url: publicUrl(),
      authorityFile: certificate?.current.authorityPath,
      firstKey: await firstKey(database),
      createKey: (description) => fullKey(database, description),
      accepts: async (key) => (await keys.callerOf(`Key ${key}`)) !== undefined,
      close: async ({ keepRunners = false } = {}) => {
        door.stopListening();
        queueing.dispatcher.stop();
        await scheduler.close({ keepRunners, graceMs: STOP_MS });
        await closeAll();
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** The address that the platform listens on is among the names of its certificate. */
function withName(source: CertificateSource, host: string): CertificateSource {
  return source.kind === "own" ? { ...source, names: [host, ...source.names] } : source;
}

/** @throws StartupError if only containers are wanted, and nothing runs them */
async function chooseEngines(
  choice: EngineChoice,
  processes: ProcessEngine,
  containers: ContainerRunnerEngine,
): Promise<Engines> {
  if (choice === "auto") return new Engines([processes, containers]);
  if (choice === "process") return new Engines([processes]);
  const refusal = await containers.refusal();
  if (refusal !== undefined) throw platformFailure(`The platform can't use containers: ${refusal}.`);
  return new Engines([containers]);
}

/** The memory that this process and its children can have. */
function machineMemory(): number {
  const limit = process.constrainedMemory() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

async function openDatabase(
  options: PlatformOptions,
  closing: (() => Promise<void> | void)[],
): Promise<Database> {
  const { stateDirectory, databaseUrl, signal, log, onProgress = () => {} } = options;
  const onLine = ({ message }: LogEntry): void => onProgress(message);
  let database: Database;
  if (databaseUrl === undefined) {
    onProgress("starting the database");
    const server = await PostgresServer.start({
      folder: join(stateDirectory, "postgres"),
      cacheDirectory: join(stateDirectory, "cache"),
      signal,
      log: onLine,
      onRestart: (reason) => log.warn({ reason }, "the database has ended, and is started again"),
    });
    closing.push(() => server.stop());
    database = await Database.open(server.connection, (error) =>
      log.warn({ error: error.message }, "a connection to the database broke"),
    );
  } else {
    database = await Database.open(databaseUrl, (error) =>
      log.warn({ error: error.message }, "a connection to the database broke"),
    );
  }
  closing.push(() => database.close());
  try {
    await migrate(database);
  } catch (error) {
    if (databaseUrl === undefined) throw error;
    throw platformFailure(`The database at --database-url can't be used: ${(error as Error).message}`, error);
  }
  return database;
}

/** The handler of calls of gRPC. Its libraries are loaded here. */
async function callHandler(
  parts: ControlServiceParts,
): Promise<(request: Http2ServerRequest, response: Http2ServerResponse) => void> {
  const { connectNodeAdapter } = await import("@connectrpc/connect-node");
  const { controlService } = await import("./api/control-service.ts");
  const { authentication, discretion } = await import("./api/interceptors.ts");
  return connectNodeAdapter({
    routes: controlService(parts),
    interceptors: [discretion(parts.log), authentication(parts.keys)],
    readMaxBytes: 64 * 2 ** 20,
  });
}

async function firstKey(database: Database): Promise<string | undefined> {
  return (await listKeys(database)).length > 0 ? undefined : fullKey(database, "the first key");
}

async function fullKey(database: Database, description: string): Promise<string> {
  const permissions = permissionsOfPreset("FULL");
  const { id, secret } = await createKey(database, { description, preset: "FULL", permissions });
  return `${id}:${secret}`;
}
