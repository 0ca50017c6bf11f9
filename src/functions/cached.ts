import { types } from "node:util";
import { DefinitionError } from "../errors.ts";
import { shown } from "./option-table.ts";
import { structuralKey } from "./structural-key.ts";
import { assertSerializable } from "./serializable-values.ts";

/** Function → key of the arguments → what the call returned. */
const caches = new WeakMap<object, Map<string, unknown>>();

/**
 * A function that runs once for the same arguments and then returns the same result again, for as long as the process
 * lives: a model that is loaded, a table that is fetched. Arguments are the same when their content is (the order of an
 * object's keys doesn't count); instances of classes of your own only when they are the same object. Calls that come
 * while the first one runs share its promise. What throws or rejects is not kept, nor is a generator. `this` is handed on
 * and makes no difference.
 *
 * All callers get the one result: change nothing in it.
 * @throws DefinitionError with code FUNCTION_OPTION_INVALID for what is no function; FalSerializationError, from a call,
 * for an argument whose content can't be told, such as a function
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
    if (types.isGeneratorObject(result)) return result; // gives its items once
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
