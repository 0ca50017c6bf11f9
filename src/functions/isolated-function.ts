import {
  DefinitionError,
  FalMissingDependencyError,
  FalServerlessError,
  UserFunctionException,
} from "../errors.ts";
import type { Bundle } from "./bundle/bundle.ts";
import { currentRuntime } from "./runtime.ts";
import type { FunctionEntry, FunctionTarget, Host, SpawnInfo } from "./host.ts";
import { missingDependency } from "./missing-dependencies.ts";
import { assertOwnOptions, environmentKeys, isHost, optionRule, shown } from "./option-table.ts";
import type { FunctionKind, FunctionOptions, Options } from "./options.ts";
import { Submission } from "./submission.ts";

/** What `submit` and `spawn` take behind the function's own arguments. */
export interface CallOptions {
  /** Cancels the call when it aborts; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What an isolated function is made of. */
export interface IsolatedFunctionParts {
  readonly host: Host;
  readonly options: Options;
  readonly handler: (...args: never[]) => unknown;
  /** What messages call it. */
  describe(): string;
  readonly entry: FunctionEntry;
  readonly localModules: readonly string[];
  readonly reraise: boolean;
}

/** A function that is a method of nobody: what a class's constructor returns in place of the instance. */
// oxlint-disable-next-line no-extraneous-class -- what extends it has the members
class Callable {
  static {
    // bind, call and apply, as any function has them
    Object.setPrototypeOf(this.prototype, Function.prototype);
  }

  constructor(call: (...args: unknown[]) => unknown) {
    return Object.setPrototypeOf(call, new.target.prototype) as this;
  }
}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the class's instances can be called
export interface IsolatedFunction<Args extends readonly unknown[], Result> {
  /**
   * Runs the function in its own environment.
   * @throws what the function throws (as the cause of a UserFunctionException where `reraise` is false);
   *   FalSerializationError for an argument or a result that can't travel; FalMissingDependencyError for a package
   *   that is not among the requirements; FalServerlessError when the environment can't be made or the process dies
   */
  (...args: Args): Promise<Result>;
}

/**
 * A function that runs in an environment of its own, here or elsewhere; made by {@link fn}. Calling it runs it there.
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- see above
export class IsolatedFunction<Args extends readonly unknown[], Result> extends Callable {
  readonly #parts: IsolatedFunctionParts;
  readonly #target: FunctionTarget;
  #bundle: Promise<Bundle> | undefined;
  #setup: Promise<unknown> | undefined;

  constructor(parts: IsolatedFunctionParts) {
    super((...args) => this.#call(args, undefined));
    this.#parts = parts;
    const { options, entry } = parts;
    let name: string | undefined;
    const describe = (): string => (name ??= parts.describe());
    Object.defineProperty(this, "name", {
      get: () => describe().replace(/\(\)$/, ""),
      configurable: true,
    });
    this.#target = {
      get name() {
        return describe();
      },
      options,
      entry,
      bundle: () => this.bundle(),
    };
  }

  /** Where it runs. */
  get host(): Host {
    return this.#parts.host;
  }

  /** What its host was told. */
  get options(): Options {
    return this.#parts.options;
  }

  /** What its host is given of it. */
  get target(): FunctionTarget {
    return this.#target;
  }

  /** The function itself, as it was given. */
  get rawFunction(): (...args: never[]) => unknown {
    return this.#parts.handler;
  }

  /** Whether a call throws the function's own error, or a UserFunctionException with it as its cause. */
  get reraise(): boolean {
    return this.#parts.reraise;
  }

  /**
   * Runs the function, as a call does, and returns a promise that can be cancelled.
   * @param args the function's arguments; behind them, `{ signal }` may cancel the call
   */
  submit(...args: [...args: Args, options?: CallOptions]): Submission<Result> {
    const [own, { signal: outer }] = splitOptions(args);
    return Submission.start((signal) => this.#call(own, signal) as Promise<Result>, outer);
  }

  /**
   * Starts a run without waiting for it: its output goes to the {@link SpawnInfo}, not to this process's.
   * @param args the function's arguments; behind them, `{ signal }` may cancel the run
   */
  spawn(...args: [...args: Args, options?: CallOptions]): SpawnInfo<Result> {
    if (isStalled()) return { logs: NOTHING, result: NEVER, url: NEVER, stream: { cancel() {} } };
    const [own, options] = splitOptions(args);
    const info = this.#parts.host.spawn(this.#target, own, options);
    const result = info.result.catch((error: unknown) => this.#rethrow(error)) as Promise<Result>;
    // One that can't be served fails for the same reason.
    const url = info.url.catch(() => result.then(() => undefined));
    for (const promise of [result, url]) promise.catch(() => {}); // nobody has to listen
    return { ...info, result, url };
  }

  /**
   * The same function elsewhere, or with other options. What was set before stays where the new host knows it; new
   * options win. Its handler and setup stay what they are.
   * @throws DefinitionError with code FUNCTION_OPTION_INVALID
   */
  on(target: FunctionOptions & { readonly serve: true }): IsolatedFunction<[], void>;
  on(target: Host | (FunctionOptions & { readonly serve?: false })): IsolatedFunction<Args, Result>;
  on(target: Host | FunctionOptions): IsolatedFunction<Args, Result> | IsolatedFunction<[], void> {
    if (typeof target !== "object" || target === null) throw noTarget(target);
    const given: FunctionOptions = isHost(target) ? { host: target } : target;
    assertOwnOptions(given);
    const { host = this.#parts.host, module: _, exportName: __, localModules, reraise, ...changes } = given;
    if (changes.setupFunction !== undefined) throw fixedSetup();
    return new IsolatedFunction<Args, Result>({
      ...this.#parts,
      host,
      options: host.parseOptions(mergedConfig(this.#parts.options, host, changes)),
      localModules: localModules ?? this.#parts.localModules,
      reraise: reraise ?? this.#parts.reraise,
    });
  }

  /** Calls the function in this process, with the packages of this one. Its setup runs once. */
  async runLocal(...args: Args): Promise<Result> {
    if (isStalled()) return NEVER;
    const { handler, options } = this.#parts;
    const { setupFunction } = options.host;
    if (setupFunction === undefined) return (await handler(...(args as unknown as never[]))) as Result;
    this.#setup ??= Promise.resolve().then(setupFunction);
    this.#setup.catch(() => (this.#setup = undefined));
    return (await handler(...([await this.#setup, ...args] as never[]))) as Result;
  }

  /**
   * The code that travels: the function's module with all that is local in it. Made once.
   * @throws FalServerlessError with code BUNDLE_FAILED
   */
  bundle(): Promise<Bundle> {
    this.#bundle ??= this.#makeBundle();
    this.#bundle.catch(() => (this.#bundle = undefined));
    return this.#bundle;
  }

  async #makeBundle(): Promise<Bundle> {
    const runtime = currentRuntime();
    // In a bundle there is nothing to bundle: a function of the same module runs from the same one.
    if (runtime !== undefined) {
      const { readBundle } = await import("./bundle/bundle-folder.ts");
      return readBundle(new URL(".", runtime.bundleUrl), runtime.moduleUrl);
    }
    const { entry, localModules, options } = this.#parts;
    const { bundleModule } = await import("./bundle/bundler.ts");
    return bundleModule({
      module: entry.place.module,
      localModules,
      isServed: options.gateway.serve === true,
    });
  }

  async #call(args: readonly unknown[], signal: AbortSignal | undefined): Promise<unknown> {
    if (isStalled()) return NEVER;
    signal?.throwIfAborted();
    try {
      return await this.#parts.host.run(this.#target, args, signal === undefined ? {} : { signal });
    } catch (error) {
      if (signal?.aborted === true && signal.reason === error) throw error;
      return await this.#rethrow(error);
    }
  }

  /** Tells the caller of a failure. @throws always */
  async #rethrow(error: unknown): Promise<never> {
    if (error instanceof UserFunctionException) {
      // This package's errors are for the caller as they are, whoever throws them.
      const isForCaller = this.#parts.reraise || error.cause instanceof FalServerlessError;
      if (isForCaller) throw error.cause;
    }
    const told =
      error instanceof FalMissingDependencyError
        ? await missingDependency(error, this.#target.name, this.bundle())
        : error;
    // It arose in an event of the host's, and belongs to the call.
    if (told instanceof FalServerlessError) Error.captureStackTrace(told);
    throw told;
  }
}

const NEVER = new Promise<never>(() => {});
const NOTHING: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: () => NEVER }) };

/**
 * Whether it is the main program that calls a function, on the top level of a module that is loaded here for its
 * definitions alone. It is left waiting: what it does with the result is to be done once, where it runs.
 */
function isStalled(): boolean {
  const runtime = currentRuntime();
  if (runtime?.isLoading !== true) return false;
  runtime.stall();
  return true;
}

function fixedSetup(): DefinitionError {
  const message = "setupFunction is found where the function is defined: give it to fn(), not to on().";
  return new DefinitionError("FUNCTION_OPTION_INVALID", message);
}

function noTarget(target: unknown): DefinitionError {
  const message = `on() takes a host, such as new LocalHost(), or options; got ${shown(target)}.`;
  return new DefinitionError("FUNCTION_OPTION_INVALID", message);
}

/** Takes the options off the end of a call's arguments: a signal can't travel, so that this can be no argument. */
function splitOptions(args: readonly unknown[]): [args: readonly unknown[], options: CallOptions] {
  const last = args.at(-1);
  if (typeof last !== "object" || last === null || Object.keys(last).join() !== "signal") return [args, {}];
  const { signal } = last as CallOptions;
  if (signal === undefined) return [args.slice(0, -1), {}];
  if (!(signal instanceof AbortSignal)) return [args, {}];
  return [args.slice(0, -1), { signal }];
}

/** What is said of a function beside how it is found and called. */
type Config = Omit<FunctionOptions, "host" | "module" | "exportName" | "localModules" | "reraise">;

/**
 * The options of a function that is moved to another host, or changed: what was set before, as far as it means something
 * there, and the changes over it.
 */
function mergedConfig(previous: Options, host: Host, changes: Config): Record<string, unknown> {
  const { environment, gateway } = previous;
  const kind: FunctionKind = changes.kind ?? (changes.image === undefined ? environment.kind : "container");
  const isServed = changes.serve ?? gateway.serve === true;
  return {
    ...kept(previous.host, (key) => host.supportedKeys.has(key) || optionRule(key)?.isCarried === true),
    ...kept(environment, (key) => environmentKeys(kind).includes(key)),
    ...kept(gateway, (key) => isServed || !SCHEMAS.has(key)),
    kind,
    ...changes,
  };
}

/** What only a served function has. */
const SCHEMAS: ReadonlySet<string> = new Set(["input", "output", "stream"]);

function kept(options: object, isKept: (key: string) => boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([key]) => isKept(key)));
}
