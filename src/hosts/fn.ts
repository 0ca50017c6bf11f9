import { createFn, type Fn } from "../functions/create-fn.ts";
import { LocalHost } from "./local/local-host.ts";

let defaultHost: LocalHost | undefined;

/**
 * Makes an isolated function: one that runs in an environment and a process of its own, with the packages it asks for.
 * A call returns a promise of its result. Define it on the top level of its module, and export it.
 *
 * Without a `host` it runs on this machine, on one `LocalHost` that all such functions share.
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
