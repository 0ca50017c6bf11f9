import { createFn, type Fn } from "../functions/create-fn.ts";
import { LocalHost } from "./local/local-host.ts";

let defaultHost: LocalHost | undefined;

/**
 * Creates an isolated function: it runs in its own process and environment, with the packages that its `requirements`
 * list. A call returns a promise of the result. Define the function at the top level of its module, and export it.
 *
 * Without the option `host`, the function runs on this machine: on a `LocalHost` that all functions without a host
 * share.
 *
 * @example
 * ```ts
 * export const speak = fn({ requirements: ["cowsay@1.6.0"] }, async (text: string) => {
 *   const { say } = await import("cowsay");
 *   return say({ text });
 * });
 * await speak("hello");
 * ```
 * @throws DefinitionError with code FUNCTION_OPTION_INVALID
 */
export const fn: Fn = createFn(() => (defaultHost ??= new LocalHost()));
