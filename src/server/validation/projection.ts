import type { SchemaNode } from "../../routes/schema-walk.ts";
import { createAjv } from "./ajv.ts";
import { canonicalSchema } from "./canonical.ts";
import { compileFill } from "./fill.ts";
import { createMatching } from "./matching.ts";
import { COPYING, type Step } from "./object-steps.ts";

/** Compiles what makes of a result that fits what a caller may see of it. The result stays as it is. */
export function compileProjection(document: SchemaNode): Step {
  const schema = canonicalSchema(document);
  const matching = createMatching(schema, createAjv); // only unions need a judge
  const step = compileFill(schema, matching, COPYING);
  if (step === undefined) return (value) => value;
  return (value) => {
    matching.forget();
    return step(value);
  };
}
