import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { DefinitionError } from "../errors.ts";
import { describeRoute, type RouteHandler, type RouteSignature } from "../routes/signature.ts";
import { createServerStandIn } from "./server-stand-in.ts";

// The symbols by which servables of any copy of this package are known.
const SERVABLE: unique symbol = Symbol.for("servable.BaseServable");
const DESCRIBE: unique symbol = Symbol.for("servable.describe");

/** What a worker uses of a servable's description. */
interface Description {
  readonly routes: ReadonlyMap<RouteSignature, RouteHandler>;
  lifespan(server: unknown): AsyncGenerator<void, void, void>;
}

interface Servable {
  [DESCRIBE](): Description;
}

type ServableClass = new () => Servable;

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
  const found = exportsOf(module).filter(([, value]) => isServableClass(value) || isServable(value));
  const [, chosen] =
    found.find(([, value]) => nameOf(value) === className) ??
    found.find(([name]) => name === className) ??
    [];
  if (isServableClass(chosen)) return new chosen();
  if (isServable(chosen)) return chosen;
  const names = [...new Set(found.map(([name, value]) => nameOf(value) || name))];
  const others = names.length === 0 ? "" : ` It exports ${names.join(", ")}.`;
  throw new DefinitionError(
    "ROUTE_OPTION_INVALID",
    `${fileURLToPath(moduleUrl)} does not export ${className}; export the class so that workers can load it.${others}`,
  );
}

/** A CommonJS module arrives as one default export that holds the real ones. */
function exportsOf(module: Readonly<Record<string, unknown>>): [string, unknown][] {
  const inner = module["default"];
  const isWrapped = typeof inner === "object" && inner !== null && !isServable(inner);
  return [...Object.entries(module), ...(isWrapped ? Object.entries(inner) : [])];
}

function isServableClass(value: unknown): value is ServableClass {
  return typeof value === "function" && SERVABLE in value;
}

function isServable(value: unknown): value is Servable {
  return typeof value === "object" && value !== null && isServableClass(value.constructor);
}

function nameOf(servable: unknown): string {
  return isServableClass(servable) ? servable.name : ((servable as object).constructor.name ?? "");
}
