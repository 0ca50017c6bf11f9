import { DefinitionError } from "../errors.ts";
import { isWorkerProcess } from "../processes/worker-marker.ts";
import { DESCRIBE } from "../routes/servable.ts";
import { serveGroup } from "../server/group/serve-group.ts";
import type { ServeOutcome } from "../server/lifecycle/drain.ts";
import type { ServeOptions } from "../server/lifecycle/serve.ts";
import { deriveAppName } from "./app-name.ts";
import {
  type BaseServable,
  endAfter,
  isServableClass,
  runServable,
  type ServableClass,
} from "./base-servable.ts";

/** A class to serve together with others. */
export interface ServedClass {
  readonly class: ServableClass;
  /** The path that its requests begin with, such as `/text-to-image`. Default: a slash and the name of the app. */
  readonly prefix?: string;
}

/**
 * Serves several classes in one process on one port, each under its prefix, until a stop signal; otherwise like
 * {@link BaseServable.serve}. A single class without a prefix is served at the root.
 *
 * @example
 * ```ts
 * await serve([TextToImage, { class: Upscaler, prefix: "/upscale" }], { port: 8080 });
 * ```
 * @throws DefinitionError, StartupError: only with `handleSignals: false`
 */
export async function serve(
  classes: readonly (ServableClass | ServedClass)[],
  options: ServeOptions = {},
): Promise<void> {
  if (isWorkerProcess()) return; // workers import this module too, and must not serve the classes again
  await endAfter(async () => runServables(createApps(classes), options), options);
}

/** An app to serve, and its prefix; undefined: the default. */
export interface PlacedApp {
  readonly app: BaseServable;
  readonly prefix: string | undefined;
}

/** Serves like {@link serve}, but does not end the process. @throws DefinitionError, StartupError */
export async function runServables(apps: readonly PlacedApp[], options: ServeOptions): Promise<ServeOutcome> {
  const [only, ...others] = apps;
  if (only !== undefined && others.length === 0 && only.prefix === undefined)
    return runServable(only.app, options);
  const members = apps.map((placed) => ({ prefix: prefixOf(placed), definition: placed.app[DESCRIBE]() }));
  return serveGroup(members, options);
}

/** The prefix of an app that is served together with others. */
export function prefixOf({ app, prefix }: PlacedApp): string {
  if (prefix !== undefined) return prefix;
  const { name, className } = app[DESCRIBE]();
  return `/${name === className ? deriveAppName(name) : name}`;
}

function createApps(classes: readonly (ServableClass | ServedClass)[]): PlacedApp[] {
  const list: readonly unknown[] = Array.isArray(classes) ? classes : [];
  if (list.length === 0)
    throw invalid("serve() needs a list of servable classes, such as serve([MyApp, OtherApp]).");
  return list.map((given) => {
    if (isServableClass(given)) return { app: new given(), prefix: undefined };
    const { class: own, prefix, ...others } = (given ?? {}) as Partial<ServedClass>;
    if (!isServableClass(own)) {
      throw invalid(
        `serve() got ${shown(given)}; write a servable class, or { class: MyApp, prefix: "/my-app" }.`,
      );
    }
    const [unknown] = Object.keys(others);
    if (unknown !== undefined)
      throw invalid(`serve() got the unknown field ${unknown} with ${own.name}; it takes class and prefix.`);
    return { app: new own(), prefix };
  });
}

function shown(value: unknown): string {
  return typeof value === "function"
    ? value.name || "a function"
    : typeof value === "string"
      ? JSON.stringify(value)
      : String(value);
}

function invalid(message: string): DefinitionError {
  return new DefinitionError("SETTING_INVALID", message);
}
