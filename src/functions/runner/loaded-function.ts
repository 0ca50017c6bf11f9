import { FalSerializationError } from "../../errors.ts";
import { exportedValues } from "../../routes/servable.ts";
import { installRuntime, type Definition, type FunctionRuntime } from "../runtime.ts";
import type { FunctionEntry } from "../host.ts";
import { missingPackage } from "./failures.ts";
import type { LoadMessage } from "./protocol.ts";

const BUNDLE: unique symbol = Symbol.for("servable.bundle");

type Exports = Readonly<Record<string, unknown>>;

/** The function that this process runs, from the bundle that it has loaded. */
export class LoadedFunction {
  readonly definition: Definition;
  /** The name under which the module exports it. */
  readonly exportName: string;
  readonly #runtime: RunnerRuntime;

  private constructor({ definition, exportName }: Found, runtime: RunnerRuntime) {
    this.definition = definition;
    this.exportName = exportName;
    this.#runtime = runtime;
  }

  /**
   * Loads the bundle and finds the function.
   * @param bundleUrl `file:` URL
   * @throws the error of the user's module; FalMissingDependencyError; FalSerializationError if the function is not
   *   found or not exported
   */
  static async load(bundleUrl: string, message: LoadMessage): Promise<LoadedFunction> {
    const runtime = new RunnerRuntime(bundleUrl, message.moduleUrl);
    installRuntime(runtime);
    const exports = runtime.exports();
    const stalled = new Promise<void>((resolve) => (runtime.onStall = resolve));
    const isStalled = await Promise.race([
      importBundle(bundleUrl).then(() => false),
      stalled.then(() => true),
    ]);
    runtime.isLoading = false;
    return new LoadedFunction(findFunction(runtime.definitions, await exports, message, isStalled), runtime);
  }

  /** The signal that `currentRun()` gives to the running handler. */
  set signal(signal: AbortSignal | undefined) {
    this.#runtime.signal = signal;
  }
}

class RunnerRuntime implements FunctionRuntime {
  readonly bundleUrl: string;
  readonly moduleUrl: string;
  readonly definitions: Definition[] = [];
  isLoading = true;
  signal: AbortSignal | undefined;
  onStall: (() => void) | undefined;

  constructor(bundleUrl: string, moduleUrl: string) {
    this.bundleUrl = bundleUrl;
    this.moduleUrl = moduleUrl;
  }

  define(definition: Definition): void {
    if (this.isLoading) this.definitions.push(definition);
  }

  stall(): void {
    this.onStall?.();
  }

  /** The exports of the bundle, which it provides before it is evaluated. */
  exports(): Promise<Exports> {
    return new Promise((resolve) => {
      (globalThis as { [BUNDLE]?: (exports: Exports) => void })[BUNDLE] = (exports) => resolve(exports);
    });
  }
}

async function importBundle(url: string): Promise<void> {
  try {
    await import(url);
  } catch (error) {
    throw missingPackage(error, url) ?? error;
  }
}

/** A definition, and the name under which its module exports it. */
interface Found {
  readonly definition: Definition;
  readonly exportName: string;
}

function findFunction(
  definitions: readonly Definition[],
  exports: Exports,
  message: LoadMessage,
  isStalled: boolean,
): Found {
  const { entry, functionName } = message;
  const exported = exportedValues(exports);
  if (entry.exportName !== undefined) {
    const { exportName } = entry;
    const value = exported.get(exportName);
    const definition = definitions.find((candidate) => isOf(candidate, value));
    if (definition !== undefined) return { definition, exportName };
    throw notFound(
      `The module exports no isolated function as "${exportName}"; it exports ${namesOf(exported)}.`,
    );
  }
  const found = definitionsAt(definitions, entry);
  const [first, ...others] = found.flatMap((definition): Found[] => {
    const [exportName] = [...exported].find(([, value]) => isOf(definition, value)) ?? [];
    return exportName === undefined ? [] : [{ definition, exportName }];
  });
  if (first !== undefined && others.length === 0) return first;
  if (found.length > 0) {
    const which = found.length === 1 ? "is not exported" : "was defined more than once";
    throw notFound(
      `${functionName} ${which} by its module, so that it can't be found where it is to run: ` +
        "define it once, on the module's top level, and export it (export const …).",
    );
  }
  if (isStalled) {
    throw notFound(
      `${functionName} is defined below a call of an isolated function on the module's top level. ` +
        "Define functions before the first call, or in a module of their own.",
    );
  }
  throw notFound(
    `${functionName} was not defined when its module was loaded where it is to run. ` +
      "Define it on the module's top level, under no condition, and export it; one that a helper in another file " +
      "defines needs `module: import.meta.url`.",
  );
}

/** Whether a value is the function of a definition, or a copy of it made by `on()`. */
function isOf({ value, handler }: Definition, candidate: unknown): boolean {
  if (candidate === value) return true;
  return typeof candidate === "function" && (candidate as { rawFunction?: unknown }).rawFunction === handler;
}

/**
 * The definitions at a source location. Loaders agree on lines and mostly on columns; if no column matches, the number
 * of parameters prevents a match with another function on the same line.
 */
function definitionsAt(
  definitions: readonly Definition[],
  { place, parameters }: FunctionEntry,
): Definition[] {
  const sameLine = definitions.filter((definition) => definition.location?.line === place.line);
  const sameColumn = sameLine.filter((definition) => definition.location?.column === place.column);
  if (sameColumn.length > 0) return sameColumn;
  return sameLine.filter(({ handler }) => parameters === undefined || handler.length === parameters);
}

function namesOf(exported: ReadonlyMap<string, unknown>): string {
  return exported.size === 0 ? "nothing" : [...exported.keys()].join(", ");
}

function notFound(message: string): FalSerializationError {
  return new FalSerializationError(message);
}
