import type { SchemaNode } from "../../routes/schema-walk.ts";
import type { Step } from "./normalizer-steps.ts";

/** Maximum number of fields of an object: the engine doesn't optimize long functions. */
const MAX_FIELDS = 100;

const SAME: Step = (value) => value;

/**
 * Compiles a copy of the declared fields of a result that fits, with their defaults, for a schema that `fastSchema()`
 * has returned. Undefined if an object has too many fields.
 *
 * The generated code names the fields, like a literal that is written by hand. All copies then have the same layout,
 * and the engine finds each field without a lookup.
 */
export function compileFieldCopy({ type, items, properties, required }: SchemaNode): Step | undefined {
  if (type === "array") {
    const step = compileFieldCopy(items as SchemaNode);
    if (step === undefined || step === SAME) return step;
    return (value) => (Array.isArray(value) ? Array.from(value as unknown[], (item) => step(item)) : value);
  }
  if (type !== "object") return SAME;
  return compileObject(Object.entries(properties as SchemaNode), new Set(required as readonly string[]));
}

function compileObject(
  fields: readonly (readonly [string, unknown])[],
  required: ReadonlySet<string>,
): Step | undefined {
  if (fields.length > MAX_FIELDS) return undefined;
  const steps: Step[] = [];
  const fallbacks: unknown[] = [];
  const literal: string[] = [];
  const assignments: string[] = [];
  for (const [index, [key, node]] of fields.entries()) {
    const step = compileFieldCopy(node as SchemaNode);
    if (step === undefined) return undefined;
    steps.push(step);
    fallbacks.push((node as SchemaNode)["default"]);
    const name = JSON.stringify(key);
    const copied = (item: string): string => (step === SAME ? item : `steps[${index}](${item})`);
    if (required.has(key) && assignments.length === 0) literal.push(`${name}: ${copied(`value[${name}]`)}`);
    else {
      const otherwise =
        fallbacks[index] === undefined ? "" : `if (item === undefined) item = fallbacks[${index}];`;
      assignments.push(
        `item = value[${name}]; ${otherwise}`,
        `if (item !== undefined) copy[${name}] = ${copied("item")};`,
      );
    }
  }
  const body = `"use strict"; return (value) => {
    if (typeof value !== "object" || value === null) return value;
    let item;
    const copy = { ${literal.join(", ")} };
    ${assignments.join("\n    ")}
    return copy;
  };`;
  const create = new Function("steps", "fallbacks", body) as (
    ...given: readonly [readonly Step[], readonly unknown[]]
  ) => Step;
  return create(steps, fallbacks);
}
