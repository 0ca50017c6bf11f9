import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { DefinitionError } from "../errors.ts";
import type { EndpointOptions } from "../routes/endpoint.ts";
import type { AnyMethod, CheckEndpoint, SchemaObject } from "../routes/handler-types.ts";
import { assertOwnOptions, type FunctionEntry, type FunctionOptions, type Host } from "./host.ts";
import { currentRuntime } from "./runtime.ts";
import { schemasOf } from "./options.ts";
import { IsolatedFunction } from "./isolated-function.ts";
import { callerLocation, type SourceLocation } from "./source-location.ts";
import { serveFunction } from "./served-function.ts";
import { omitUndefined } from "../settings/defined-fields.ts";

/** Options of a function without `serve: true`. */
export type CalledOptions = Omit<
  FunctionOptions,
  "setupFunction" | "serve" | "input" | "output" | "stream"
> & {
  readonly serve?: false;
};

/** Options of a function with a setup. The setup's result lives as long as the process and is the first argument. */
export type SetupOptions<Setup> = CalledOptions & { readonly setupFunction: () => Setup };

/** Options of a function that is served over HTTP at `POST /`. */
export type ServeFunctionOptions<
  Input extends SchemaObject | undefined,
  Output extends SchemaObject | undefined,
  Stream extends boolean,
> = Omit<FunctionOptions, "setupFunction" | "serve" | "input" | "output" | "stream"> &
  Pick<EndpointOptions<Input, Output, Stream>, "input" | "output" | "stream"> & { readonly serve: true };

/** A served function: a call runs its server until the call is cancelled. */
export type ServedIsolatedFunction = IsolatedFunction<[], void>;

/** The signatures of `fn()`, which creates isolated functions. */
export interface Fn {
  <Setup, Args extends readonly unknown[], Result>(
    options: SetupOptions<Setup>,
    handler: (setup: Awaited<Setup>, ...args: Args) => Result,
  ): IsolatedFunction<Args, Awaited<Result>>;
  <
    Handler extends AnyMethod,
    Input extends SchemaObject | undefined = undefined,
    Output extends SchemaObject | undefined = undefined,
    Stream extends boolean = false,
  >(
    options: ServeFunctionOptions<Input, Output, Stream>,
    handler: Handler & CheckEndpoint<Handler, Input, Output, Stream>,
  ): ServedIsolatedFunction;
  <Args extends readonly unknown[], Result>(
    options: CalledOptions,
    handler: (...args: Args) => Result,
  ): IsolatedFunction<Args, Awaited<Result>>;
}

type Handler = (...args: never[]) => unknown;

/** Creates `fn`. @param defaultHost the host of functions without the option `host` */
export function createFn(defaultHost: () => Host): Fn {
  return ((options: FunctionOptions, handler: Handler) =>
    define(options, handler, defaultHost)) as unknown as Fn;
}

function define(
  given: FunctionOptions,
  handler: Handler,
  defaultHost: () => Host,
): IsolatedFunction<unknown[], unknown> {
  checkArguments(given, handler);
  assertOwnOptions(given);
  const { host = defaultHost(), module, exportName, localModules = [], reraise = true, ...config } = given;
  const runtime = currentRuntime();
  // In a bundle, `import.meta.url` is the bundle's.
  const location = callerLocation(module, runtime);
  if (location === undefined && runtime === undefined) throw noLocation(module);
  const entry: FunctionEntry = {
    place: location ?? { module: module ?? "", line: 0, column: 0 },
    ...omitUndefined({ exportName }),
    parameters: handler.length,
  };
  const options = host.parseOptions(config);
  const value = new IsolatedFunction({
    host,
    options,
    handler,
    describe: () => nameOf(handler, entry),
    entry,
    localModules: [...localModules],
    reraise,
  });
  const { setupFunction } = options.host;
  const { serve: isServed = false } = options.gateway;
  runtime?.define({
    value,
    location,
    handler,
    setupFunction,
    serve: (serving) => {
      const own = isServed ? schemasOf(options.gateway) : undefined;
      return serveFunction(handler as AnyMethod, own, serving);
    },
  });
  return value;
}

function checkArguments(options: unknown, handler: unknown): void {
  if (typeof options === "object" && options !== null && typeof handler === "function") return;
  throw new DefinitionError(
    "FUNCTION_OPTION_INVALID",
    "fn() takes options and a function: fn({ requirements: [] }, async (text: string) => …).",
  );
}

function noLocation(module: string | undefined): DefinitionError {
  const message =
    module === undefined
      ? "fn() can't tell which module it is called from; say so with `module: import.meta.url`."
      : `fn() is not called from ${module}; \`module\` is the module that exports the function, as import.meta.url.`;
  return new DefinitionError("FUNCTION_OPTION_INVALID", message);
}

/** The function's name in messages. */
function nameOf({ name }: Handler, { place, exportName }: FunctionEntry): string {
  if (name !== "" && name !== "default") return `${name}()`;
  if (exportName !== undefined) return `${exportName}()`;
  return nameInSource(place) ?? `the function at ${place.module.replace(/^.*\//, "")}:${place.line}`;
}

/** The variable that the function is assigned to, read from the source; for messages only. */
function nameInSource({ module, line, column }: SourceLocation): string | undefined {
  try {
    const file = fileURLToPath(module);
    const text = (readFileSync(file, "utf8").split("\n")[line - 1] ?? "").slice(0, column - 1);
    const [, name] =
      /^\s*(?:export\s+)?(?:const|let|var)\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*(?::[^=]*)?=\s*[\w$.]*$/u.exec(
        text,
      ) ?? [];
    if (name !== undefined) return `${name}()`;
    return /^\s*export\s+default\b/.test(text) ? `the default export of ${basename(file)}` : undefined;
  } catch {
    return undefined;
  }
}
