import type { SchemaNode } from "../../routes/schema-walk.ts";
import { createAjv } from "./ajv.ts";
import { canonicalSchema } from "./canonical.ts";
import { compileFill } from "./fill.ts";
import { NodeCompiler } from "./nodes.ts";
import { COPYING, type Step } from "./object-steps.ts";

/** Compiles what makes of a result that fits what a caller may see of it. The result stays as it is. */
export function compileProjection(document: SchemaNode): Step {
  const schema = canonicalSchema(document);
  let nodes: NodeCompiler | undefined; // only unions need a judge
  const step = compileFill(
    schema,
    (branch, value) =>
      (nodes ??= new NodeCompiler(createAjv({ validateSchema: false }), schema)).compile(branch)(value),
    COPYING,
  );
  return step ?? ((value) => value);
}
