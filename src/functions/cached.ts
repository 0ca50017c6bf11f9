import { types } from "node:util";
import { DefinitionError } from "../errors.ts";
import { shown } from "../settings/check.ts";
import { structuralKey } from "./structural-key.ts";
import { assertSerializable } from "./serializable-values.ts";

/** Function → key of the arguments → result. */
const caches = new WeakMap<object, Map<string, unknown>>();

/**
 * Wraps a function so that it runs once for equal arguments and returns the same result again for the lifetime of the
 * process. Use it to load a model or fetch a table. Arguments are equal if their contents are equal, whatever the order
 * of keys. Instances of your own classes are equal only to themselves. Calls made during the first run share its
 * promise. Failed calls and generators are not cached. `this` is passed through and is not part of the key.
 *
 * All callers share one result: do not modify it.
 * @throws DefinitionError with code FUNCTION_OPTION_INVALID if `fn` is not a function; FalSerializationError, from a
 * call, for an argument without comparable content, such as a function
 * @example
 * ```ts
 * const loadModel = cached(async (name: string) => Model.load(name));
 * ```
 */
export function cached<F extends (this: never, ...args: never) => unknown>(fn: F): F {
  if (typeof fn !== "function") {
    throw new DefinitionError("FUNCTION_OPTION_INVALID", `cached() takes a function; got ${shown(fn)}.`);
  }
  return share(fn as unknown as AnyFunction) as unknown as F;
}

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

function share(fn: AnyFunction): AnyFunction {
  const results = caches.get(fn) ?? new Map<string, unknown>();
  caches.set(fn, results);
  const name = fn.name === "" ? "the cached function" : `${fn.name}()`;
  function call(this: unknown, ...args: unknown[]): unknown {
    for (const [index, arg] of args.entries()) assertSerializable(arg, `argument ${index + 1} of ${name}`);
    const key = structuralKey(args);
    if (results.has(key)) return results.get(key);
    const result = fn.apply(this, args);
    if (types.isGeneratorObject(result)) return result; // not cached: it can be iterated only once
    results.set(key, result);
    if (types.isPromise(result)) {
      result.catch(() => {
        if (results.get(key) === result) results.delete(key);
      });
    }
    return result;
  }
  return Object.defineProperties(call, {
    name: { value: fn.name, configurable: true },
    length: { value: fn.length, configurable: true },
  });
}
