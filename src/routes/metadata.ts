// Node has no Symbol.metadata yet. It must exist before the first decorated class is defined, under the name
// that compilers fall back to, so that every copy of this package and every compiler agree on it.
const symbols = Symbol as { metadata?: symbol };
symbols.metadata ??= Symbol.for("Symbol.metadata");

/** A class's decorator metadata; undefined for a class without decorators. Inherits from the parent class's. */
export function metadataOf(constructor: object): object | undefined {
  return (constructor as Record<symbol, object | undefined>)[symbols.metadata as symbol];
}
