import type { RouteHandler, RouteSignature } from "./signature.ts";

/**
 * Own property of each of the framework's own classes, by which two installed copies of this package recognise each
 * other's classes.
 */
export const SERVABLE: unique symbol = Symbol.for("servable.BaseServable");

/** Key of the method by which the framework reads a servable. A symbol, so that no handler's name can hide it. */
export const DESCRIBE: unique symbol = Symbol.for("servable.describe");

/** The part of a servable's description that is the same in the server's process and in workers. */
interface Description {
  readonly routes: ReadonlyMap<RouteSignature, RouteHandler>;
  lifespan(server: unknown): AsyncGenerator<void, void, void>;
}

/** An instance of a servable class, which may extend a class of another installed copy of this package. */
export interface Servable {
  [DESCRIBE](): Description;
}

/** A servable that a module exports: a class, or an instance such as a `ServeWrapper`. */
export interface ExportedServable<S = Servable> {
  /** The name that selects it: the class's name or, for an instance or an anonymous class, the name of the export. */
  readonly name: string;
  /** The name of its class; empty for an anonymous one. */
  readonly className: string;
  /** All names it is exported under. */
  readonly exportNames: readonly string[];
  readonly isDefault: boolean;
  /** Returns an instance to serve. @throws DefinitionError; any error of the class's own field initialisers */
  create(): S;
}

/** Whether a value is a class that extends a servable. The base class itself cannot be served. */
export function extendsServable(value: unknown): value is new () => Servable {
  return typeof value === "function" && SERVABLE in value && SERVABLE in Object.getPrototypeOf(value);
}

function isServable(value: unknown): value is Servable {
  return typeof value === "object" && value !== null && extendsServable(value.constructor);
}

/**
 * Every servable among a module's exports, each once, in the module's order.
 * @param S the type of the instances, where it is known
 */
export function findServables<S = Servable>(
  module: Readonly<Record<string, unknown>>,
): ExportedServable<S>[] {
  const namesOf = new Map<object, string[]>();
  for (const [name, value] of exportedValues(module)) {
    if (!extendsServable(value) && !isServable(value)) continue;
    namesOf.set(value, [...(namesOf.get(value) ?? []), name]);
  }
  return [...namesOf].map(([value, exportNames]) => {
    const isClass = extendsServable(value);
    const className = isClass ? value.name : value.constructor.name;
    return {
      name: (isClass ? className : "") || (exportNames.find((name) => name !== "default") ?? "default"),
      className,
      exportNames,
      isDefault: exportNames.includes("default"),
      create: () => (isClass ? new value() : value) as S,
    };
  });
}

/**
 * A module's exports by name. A CommonJS module is imported as a default export that holds the real ones: they are
 * listed as well. An export that is not initialised yet is undefined.
 */
export function exportedValues(module: Readonly<Record<string, unknown>>): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  const add = (holder: Readonly<Record<string, unknown>>): void => {
    for (const name of Object.keys(holder)) if (!values.has(name)) values.set(name, valueOf(holder, name));
  };
  add(module);
  const inner = values.get("default");
  if (typeof inner === "object" && inner !== null && !isServable(inner))
    add(inner as Record<string, unknown>);
  return values;
}

function valueOf(holder: Readonly<Record<string, unknown>>, name: string): unknown {
  try {
    return holder[name];
  } catch {
    return undefined; // the export is not initialised yet
  }
}
