import {
  DefinitionError,
  FalMissingDependencyError,
  FalServerlessError,
  UserFunctionException,
} from "../errors.ts";
import type { Bundle } from "./bundle/bundle.ts";
import { currentRuntime } from "./runtime.ts";
import {
  assertOwnOptions,
  isHost,
  type FunctionEntry,
  type FunctionOptions,
  type FunctionTarget,
  type Host,
  type SpawnInfo,
} from "./host.ts";
import { missingDependency } from "./missing-dependencies.ts";
import { shown } from "../settings/check.ts";
import { environmentKeys, optionRule } from "./option-table.ts";
import type { FunctionKind, Options } from "./options.ts";
import { Submission } from "./submission.ts";

/** Options of `submit` and `spawn`, passed after the function's own arguments. */
export interface CallOptions {
  /** Cancels the call when it aborts; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The parts of an isolated function. */
interface IsolatedFunctionParts {
  readonly host: Host;
  readonly options: Options;
  readonly handler: (...args: never[]) => unknown;
  /** Its name in messages. */
  describe(): string;
  readonly entry: FunctionEntry;
  readonly localModules: readonly string[];
  readonly reraise: boolean;
}

/** A base class whose instances are functions: its constructor returns a function in place of `this`. */
// oxlint-disable-next-line no-extraneous-class -- what extends it has the members
class Callable {
  static {
    // inherits bind, call and apply
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
   * @throws the function's own error (as the cause of a UserFunctionException if `reraise` is false);
   *   FalSerializationError for an argument or a result that can't be serialized; FalMissingDependencyError for a
   *   package that is not among the requirements; FalServerlessError if the environment can't be created or the
   *   process dies
   */
  (...args: Args): Promise<Result>;
}

/**
 * A function that runs in a separate environment, on this machine or elsewhere. Created by {@link fn}. To run it there,
 * call it.
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

  /** The host that runs it. */
  get host(): Host {
    return this.#parts.host;
  }

  /** Its checked options. */
  get options(): Options {
    return this.#parts.options;
  }

  /** Passed to its host. */
  get target(): FunctionTarget {
    return this.#target;
  }

  /** The handler passed to `fn()`. */
  get rawFunction(): (...args: never[]) => unknown {
    return this.#parts.handler;
  }

  /** Whether a call throws the function's own error instead of a UserFunctionException that has it as its cause. */
  get reraise(): boolean {
    return this.#parts.reraise;
  }

  /**
   * Runs the function like a call, and returns a promise that can be cancelled.
   * @param args the function's arguments, optionally followed by `{ signal }` to cancel the call
   */
  submit(...args: [...args: Args, options?: CallOptions]): Submission<Result> {
    const [own, { signal: outer }] = splitOptions(args);
    return Submission.start((signal) => this.#call(own, signal) as Promise<Result>, outer);
  }

  /**
   * Starts a run in the background. Its output goes to the {@link SpawnInfo}, not to this process's output.
   * @param args the function's arguments, optionally followed by `{ signal }` to cancel the run
   */
  spawn(...args: [...args: Args, options?: CallOptions]): SpawnInfo<Result> {
    if (isStalled()) return { logs: NOTHING, result: NEVER, url: NEVER, stream: { cancel() {} } };
    const [own, options] = splitOptions(args);
    const info = this.#parts.host.spawn(this.#target, own, options);
    const result = info.result.catch((error: unknown) => this.#rethrow(error)) as Promise<Result>;
    // If the function can't be served, both reject with the same reason.
    const url = info.url.catch(() => result.then(() => undefined));
    for (const promise of [result, url]) promise.catch(() => {}); // no unhandled rejections
    return { ...info, result, url };
  }

  /**
   * The same function on another host, or with other options. Options set before are kept if the new host supports
   * them; new options take precedence. The handler and the setup stay the same.
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

  /** Calls the function in this process, with this process's packages. Its setup runs once. */
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
   * The code that is sent to the environment: the function's module with its local imports. Built once.
   * @throws FalServerlessError with code BUNDLE_FAILED
   */
  bundle(): Promise<Bundle> {
    this.#bundle ??= this.#makeBundle();
    this.#bundle.catch(() => (this.#bundle = undefined));
    return this.#bundle;
  }

  async #makeBundle(): Promise<Bundle> {
    const runtime = currentRuntime();
    // A function defined in a bundle runs from that same bundle.
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

  /** Throws a run's failure in the form that callers get. @throws always */
  async #rethrow(error: unknown): Promise<never> {
    if (error instanceof UserFunctionException) {
      // Errors of this package reach the caller unwrapped.
      const isForCaller = this.#parts.reraise || error.cause instanceof FalServerlessError;
      if (isForCaller) throw error.cause;
    }
    const failure =
      error instanceof FalMissingDependencyError
        ? await missingDependency(error, this.#target.name, this.bundle())
        : error;
    // It was created in an event handler of the host; the stack of the call is the useful one.
    if (failure instanceof FalServerlessError) Error.captureStackTrace(failure);
    throw failure;
  }
}

const NEVER = new Promise<never>(() => {});
const NOTHING: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: () => NEVER }) };

/**
 * Whether a call is made while this process loads the module only to get its definitions. Such a call belongs to the
 * main program, which runs in another process. It never settles, so that the code after it does not run twice.
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

/** Splits trailing options off a call's arguments. A signal can't be serialized, so `{ signal }` is never an argument. */
function splitOptions(args: readonly unknown[]): [args: readonly unknown[], options: CallOptions] {
  const last = args.at(-1);
  if (typeof last !== "object" || last === null || Object.keys(last).join() !== "signal") return [args, {}];
  const { signal } = last as CallOptions;
  if (signal === undefined) return [args.slice(0, -1), {}];
  if (!(signal instanceof AbortSignal)) return [args, {}];
  return [args.slice(0, -1), { signal }];
}

/** The options that a host checks. */
type Config = Omit<FunctionOptions, "host" | "module" | "exportName" | "localModules" | "reraise">;

/**
 * The options of a function that is moved to another host or changed: the previous ones that the host supports, with the
 * changes applied.
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

/** Options of served functions only. */
const SCHEMAS: ReadonlySet<string> = new Set(["input", "output", "stream"]);

function kept(options: object, isKept: (key: string) => boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([key]) => isKept(key)));
}
