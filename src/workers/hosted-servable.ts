import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { DefinitionError } from "../errors.ts";
import { DESCRIBE, findServables, type Servable } from "../routes/servable.ts";
import { describeRoute, type RouteHandler } from "../routes/signature.ts";

/** A servable in a worker: an instance of its own, set up, without a server. */
export class HostedServable {
  readonly instance: object;
  readonly #routes = new Map<string, { readonly methodName: string; readonly handler: RouteHandler }>();
  readonly #lifespan: (log: Logger) => AsyncGenerator<void, void, void>;
  #life: AsyncGenerator<void, void, void> | undefined;

  constructor(servable: Servable) {
    this.instance = servable;
    const description = servable[DESCRIBE]();
    this.#lifespan = (log) => description.lifespan(createServerStandIn(log));
    for (const [signature, handler] of description.routes) {
      this.#routes.set(describeRoute(signature), { methodName: signature.methodName, handler });
    }
  }

  /** The first half of the lifespan: setup(), where it is not overridden. */
  async setUp(log: Logger): Promise<void> {
    this.#life = this.#lifespan(log);
    await this.#life.next();
  }

  /** The second half. */
  async tearDown(): Promise<void> {
    await this.#life?.next();
  }

  /** The handler of a route, as `describeRoute()` names it. */
  route(name: string): { readonly methodName: string; readonly handler: RouteHandler } {
    const route = this.#routes.get(name);
    if (route !== undefined) return route;
    const known = [...this.#routes.keys()].join(", ");
    throw new Error(`${this.instance.constructor.name} has no route ${name} in its worker; it has ${known}.`);
  }
}

/**
 * The servable of that name among a module's exports: its class, or an instance of it.
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
 * Stands for the server that a lifespan gets, since a worker has none. The same lifespan runs in the main process on the
 * real server, where it adds routes and hooks; here these calls do nothing.
 */
function createServerStandIn(log: Logger): object {
  const standIn: object = new Proxy(() => {}, {
    get: (_target, name) => {
      if (name === "log") return log;
      // Neither a promise to be awaited nor a value to be converted.
      return name === "then" || typeof name === "symbol" ? undefined : standIn;
    },
    apply: () => standIn,
    set: () => true,
    has: () => true,
  });
  return standIn;
}
