import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { DefinitionError } from "../errors.ts";
import type { MultipartBody } from "../routes/body-kind.ts";
import { isStreamOfItems } from "../items.ts";
import { mediaOf } from "../routes/route-media.ts";
import type { MediaRuntime } from "../routes/media-runtime.ts";
import { isStreamEvent, StreamEvent } from "../routes/stream-event.ts";
import { UploadedFile, type FileDescription } from "../routes/uploaded-file.ts";
import { DESCRIBE, findServables, type Servable } from "../routes/servable.ts";
import { describeRoute, type RouteHandler } from "../routes/signature.ts";

interface HostedRoute {
  readonly methodName: string;
  readonly handler: RouteHandler;
  /** Whether its schemas have files. */
  readonly hasFiles: boolean;
}

/** The instance of a servable in a worker, which has no server. */
export class HostedServable {
  readonly instance: object;
  readonly #routes = new Map<string, HostedRoute>();
  readonly #lifespan: (log: () => Logger) => AsyncGenerator<void, void, void>;
  #life: AsyncGenerator<void, void, void> | undefined;

  constructor(servable: Servable) {
    this.instance = servable;
    const description = servable[DESCRIBE]();
    this.#lifespan = (log) => description.lifespan(createServerStandIn(log));
    for (const [signature, handler] of description.routes) {
      const { methodName, body } = signature;
      const revived = body?.kind === "multipart" ? withFiles(handler, body.uploads) : handler;
      const rule = mediaOf(signature);
      const own = rule === undefined ? revived : withMedia(revived, rule.runtime);
      this.#routes.set(describeRoute(signature), { methodName, handler: own, hasFiles: rule !== undefined });
    }
  }

  /**
   * Runs the lifespan up to its `yield`: by default, this is `setup()`.
   * @param log called when the lifespan uses its server's log
   */
  async setUp(log: () => Logger): Promise<void> {
    this.#life = this.#lifespan(log);
    await this.#life.next();
  }

  /** Runs the rest of the lifespan: by default, this is `teardown()`. */
  async tearDown(): Promise<void> {
    await this.#life?.next();
  }

  /** The handler of a route. @param name the result of `describeRoute()` */
  route(name: string): HostedRoute {
    const route = this.#routes.get(name);
    if (route !== undefined) return route;
    const known = [...this.#routes.keys()].join(", ");
    throw new Error(`${this.instance.constructor.name} has no route ${name} in its worker; it has ${known}.`);
  }
}

/** Gives a handler the files that the main process has packed, and packs those that it returns. */
function withMedia(handler: RouteHandler, runtime: MediaRuntime): RouteHandler {
  return async (...args) => {
    const files = runtime.beginInWorker();
    try {
      const result = await handler(...args.map((arg, index) => (index === 0 ? files.unpack(arg) : arg)));
      if (!isStreamOfItems(result)) return await files.pack(result);
      return packedItems(result as AsyncIterable<unknown>, files);
    } finally {
      files.end();
    }
  };
}

type WorkerFiles = ReturnType<MediaRuntime["beginInWorker"]>;

async function* packedItems(items: AsyncIterable<unknown>, files: WorkerFiles): AsyncGenerator<unknown> {
  try {
    for await (const item of items) {
      if (!isStreamEvent(item)) yield await files.pack(item);
      else if (item.data === undefined) yield item;
      else yield new StreamEvent(item.head, await files.pack(item.data), item.text);
    }
  } finally {
    files.end();
  }
}

/** Gives the descriptions of files, which lost their class on the way to the worker, their methods back. */
function withFiles(handler: RouteHandler, uploads: MultipartBody["uploads"]): RouteHandler {
  const revive = (input: unknown): unknown => {
    const revived: Record<string, unknown> = { ...(input as Record<string, unknown>) };
    for (const [name, { media }] of uploads) {
      if (media !== undefined) continue; // unpacked already
      const file = revived[name] as FileDescription | readonly FileDescription[] | undefined;
      if (file === undefined) continue;
      revived[name] = isList(file) ? file.map((each) => new UploadedFile(each)) : new UploadedFile(file);
    }
    return revived;
  };
  return (input, ...others) => handler(Array.isArray(input) ? input.map(revive) : revive(input), ...others);
}

function isList<T extends object>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/**
 * Creates or finds the servable with this name among a module's exports, which may be a class or an instance.
 * @throws DefinitionError when the module does not export it
 */
export function findExportedServable(
  module: Readonly<Record<string, unknown>>,
  className: string,
  moduleUrl: string,
): Servable {
  const found = findServables(module);
  const chosen =
    found.find((servable) => servable.className === className) ??
    found.find(({ exportNames }) => exportNames.includes(className));
  if (chosen !== undefined) return chosen.create();
  const names = [...new Set(found.map((servable) => servable.className || servable.name))];
  const others = names.length === 0 ? "" : ` It exports ${names.join(", ")}.`;
  throw new DefinitionError(
    "ROUTE_OPTION_INVALID",
    `${fileURLToPath(moduleUrl)} does not export ${className}; export the class so that workers can load it.${others}`,
  );
}

/**
 * Creates an object to pass to the lifespan in place of a server, because a worker has none. Calls of its methods do
 * nothing. In the main process the same lifespan gets the real server, and adds routes and hooks to it.
 */
function createServerStandIn(log: () => Logger): object {
  const standIn: object = new Proxy(() => {}, {
    get: (_target, name) => {
      if (name === "log") return log();
      // Without `then` and symbols, it is neither awaited as a promise nor converted to a primitive value.
      return name === "then" || typeof name === "symbol" ? undefined : standIn;
    },
    apply: () => standIn,
    set: () => true,
    has: () => true,
  });
  return standIn;
}
