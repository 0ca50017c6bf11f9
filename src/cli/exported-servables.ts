import { didYouMean } from "../did-you-mean.ts";
import { UsageError } from "../errors.ts";
import { isServableClass, type BaseServable } from "../servable/base-servable.ts";
import type { SourceTarget } from "./source-target.ts";

/** A servable that a module exports: a class, or an instance such as a `ServeWrapper`. */
export interface ExportedServable {
  /** What to type after "::". */
  readonly name: string;
  /** Further names that mean the same. */
  readonly exportNames: readonly string[];
  readonly isDefault: boolean;
  /** An instance to serve. @throws DefinitionError, and whatever the class's own fields throw */
  create(): BaseServable;
}

/** Every servable among a module's exports, each once, in the module's order. */
export function findServables(module: Readonly<Record<string, unknown>>): ExportedServable[] {
  const namesOf = new Map<object, string[]>();
  for (const [name, value] of exportsOf(module)) {
    if (!isServableClass(value) && !isServableInstance(value)) continue;
    namesOf.set(value, [...(namesOf.get(value) ?? []), name]);
  }
  return [...namesOf].map(([value, exportNames]) => {
    const exported = exportNames.find((name) => name !== "default");
    const isClass = isServableClass(value);
    return {
      name: (isClass ? value.name : "") || exported || "default",
      exportNames,
      isDefault: exportNames.includes("default"),
      create: () => (isClass ? new value() : (value as BaseServable)),
    };
  });
}

/** The servable a target means: the named one, else the only one, else the default export. @throws UsageError */
export function chooseServable(found: readonly ExportedServable[], target: SourceTarget): ExportedServable {
  const { shown, className } = target;
  const names = found.map(({ name }) => name);
  const [first, ...others] = found;
  if (first === undefined) {
    throw new UsageError(
      `${shown} exports no servable class; write "export default class MyApp extends App { … }" in it.`,
    );
  }
  if (className !== undefined) {
    const chosen =
      found.find(({ name }) => name === className) ??
      found.find(({ exportNames }) => exportNames.includes(className));
    if (chosen !== undefined) return chosen;
    const hint = didYouMean(className, names);
    throw new UsageError(
      `${shown} exports no servable class ${className}${hint || `; it exports ${names.join(", ")}.`}`,
    );
  }
  const chosen = others.length === 0 ? first : found.find(({ isDefault }) => isDefault);
  if (chosen !== undefined) return chosen;
  throw new UsageError(
    `${shown} exports ${found.length} servable classes: ${names.join(", ")}. ` +
      `Say which one, for example: ${shown}::${first.name}`,
  );
}

/** A CommonJS module arrives as one default export that holds the real ones. */
function exportsOf(module: Readonly<Record<string, unknown>>): [string, unknown][] {
  const inner = module["default"];
  const isWrapped = typeof inner === "object" && inner !== null && !isServableInstance(inner);
  return [...Object.entries(module), ...(isWrapped ? Object.entries(inner) : [])];
}

function isServableInstance(value: unknown): value is BaseServable {
  return typeof value === "object" && value !== null && isServableClass(value.constructor);
}
