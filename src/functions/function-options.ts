import type { Host } from "./host.ts";
import type { EnvironmentOptions, GatewayOptions, HostOptions } from "./options.ts";

/** How a function is found and called, whatever its host. */
export interface DefinitionOptions {
  /** Where it runs. Default: a `LocalHost`. */
  readonly host?: Host;
  /**
   * The module that exports the function, as `import.meta.url`. By default the one that calls `fn()`: to be given when a
   * helper in another file does.
   */
  readonly module?: string;
  /** The name under which the module exports the function, where it can't be found by itself. */
  readonly exportName?: string;
  /** Packages whose code is taken along, instead of being installed where the function runs. */
  readonly localModules?: readonly string[];
  /**
   * A call throws the function's own error. Default true; if false, it throws a `UserFunctionException` with that error
   * as its cause.
   */
  readonly reraise?: boolean;
}

/** Everything that can be said about a function, but how it is served. */
export interface FunctionOptions
  extends DefinitionOptions, Partial<EnvironmentOptions>, HostOptions, GatewayOptions {}
