import { DefinitionError } from "../errors.ts";
import { collectComponents, type Components } from "../openapi/components.ts";
import type { RouteSignature } from "../routes/signature.ts";
import type { ServerDefinition } from "./definition.ts";
import type { CompiledSchema, Validator } from "./validation/validator.ts";

/** The schemas of one route, compiled. */
export interface RouteSchemas {
  readonly input: CompiledSchema | undefined;
  readonly output: CompiledSchema | undefined;
}

/**
 * The named schemas of a class's routes: the first look at a class, whether it is to be served or described.
 * @throws DefinitionError when there is no route, or two schemas claim one name.
 */
export function namedSchemas(definition: Pick<ServerDefinition, "name" | "routes">): Components {
  if (definition.routes.size === 0) {
    throw new DefinitionError(
      "ROUTES_MISSING",
      `${definition.name} has no route; put @endpoint("/") on the method it should serve.`,
    );
  }
  return collectComponents(definition.routes.keys());
}

/** Compiles what a route takes and gives. @throws DefinitionError for a schema that can't be used. */
export function compileSchemas(
  validator: Validator,
  { input, output, methodName }: Pick<RouteSignature, "input" | "output" | "methodName">,
): RouteSchemas {
  return {
    input: input && validator.compile(input, `the input of ${methodName}()`),
    output: output && validator.compile(output, `the output of ${methodName}()`),
  };
}
