import { didYouMean } from "../did-you-mean.ts";
import { DefinitionError } from "../errors.ts";
import { schemaFault } from "./schema-faults.ts";

/** Checks the arguments of a method decorator, and returns the method's name. */
export function assertMethod(decorator: string, value: unknown, context: unknown): string {
  if (typeof context !== "object" || context === null || !("kind" in context)) {
    throw new DefinitionError(
      "LEGACY_DECORATORS",
      `${decorator} needs standard decorators, but was compiled in the legacy form; ` +
        'turn "experimentalDecorators" off in tsconfig.json.',
    );
  }
  const {
    kind,
    name,
    private: isPrivate,
    static: isStatic,
    metadata,
  } = context as ClassMethodDecoratorContext;
  const refuse = (why: string): never => {
    throw new DefinitionError("ROUTE_METHOD_REFUSED", `${decorator} on ${String(name)}: ${why}`);
  };
  if (kind !== "method" || typeof value !== "function")
    refuse(`only methods can be routes, this is a ${kind}.`);
  if (isPrivate) refuse("a private method can't be served; drop the #.");
  if (isStatic) refuse("a static method can't be served; drop static.");
  if (typeof name !== "string") refuse("a route's method needs a plain name, not a symbol.");
  if (typeof metadata !== "object" || metadata === null) {
    throw new DefinitionError(
      "LEGACY_DECORATORS",
      `${decorator} needs decorator metadata, which this compiler does not pass on; ` +
        "compile with TypeScript 5.2 or newer, or a current esbuild.",
    );
  }
  return name as string;
}

/** Rejects options that the decorator does not know. */
export function assertKnownOptions(
  decorator: string,
  methodName: string,
  options: object,
  known: readonly string[],
): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const advice = didYouMean(name, known) || `; known: ${known.join(", ")}.`;
    throw new DefinitionError(
      "ROUTE_OPTION_INVALID",
      `${decorator} on ${methodName}(): unknown option "${name}"${advice}`,
    );
  }
}

/** Rejects values that are passed as schemas but are neither JSON Schema nor a library's with Standard Schema. */
export function assertSchemas(
  decorator: string,
  methodName: string,
  schemas: Readonly<Record<string, unknown>>,
): void {
  for (const [name, schema] of Object.entries(schemas)) {
    const fault = schema === undefined ? undefined : schemaFault(schema);
    if (fault === undefined) continue;
    throw new DefinitionError("ROUTE_OPTION_INVALID", `${decorator} on ${methodName}(): ${name} ${fault}`);
  }
}
