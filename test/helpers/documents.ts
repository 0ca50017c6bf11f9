import { collectComponents } from "../../src/openapi/components.ts";
import type { OpenApiDocument } from "../../src/openapi/annotate.ts";
import type { SchemaNode } from "../../src/routes/schema-walk.ts";
import { endpointSignature } from "../../src/routes/endpoint.ts";
import { ServeWrapper } from "../../src/index.ts";

/** The components that one endpoint `run` with this input and output brings along. */
export function componentsOf(input: object, output?: object): Readonly<Record<string, SchemaNode>> {
  const options = output === undefined ? { input } : { input, output };
  return { ...collectComponents([endpointSignature("run", "/", options)]).schemas };
}

/** The document of one function with this input and output. */
export async function documentOf(input: object, output: object = {}): Promise<OpenApiDocument> {
  return new ServeWrapper(
    function run(): unknown {
      return undefined;
    } as () => never,
    { input, output },
  ).openapi();
}
