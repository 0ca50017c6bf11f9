import { DefinitionError } from "../../errors.ts";
import { collectComponents, type Components } from "../../openapi/components.ts";
import { BYTES, type BytesRule, bytesRuleOf } from "../../routes/bytes.ts";
import type { SchemaNode } from "../../routes/schema-walk.ts";
import type { RouteSignature } from "../../routes/signature.ts";
import type { ServerDefinition } from "../definition.ts";
import { someNode } from "./canonical-nodes.ts";
import type { CompiledSchema, Validator } from "./validator.ts";

/** The compiled schemas of one route. */
interface RouteSchemas {
  readonly input: CompiledSchema | undefined;
  readonly output: CompiledSchema | undefined;
}

/**
 * Collects the named schemas of a class's routes; the first check of a class, for serving and for its document.
 * @throws DefinitionError when there is no route, or two schemas have the same name
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

/**
 * Compiles the input and output schema of a route.
 * @throws DefinitionError for an invalid schema, and for bytes in a route that uses JSON
 */
export function compileSchemas(
  validator: Validator,
  route: Pick<RouteSignature, "input" | "output" | "methodName" | "isWebsocket" | "contentType" | "stream">,
): RouteSchemas {
  const compile = (schema: object | undefined, which: string): CompiledSchema | undefined => {
    if (schema === undefined) return undefined;
    const name = `the ${which} of ${route.methodName}()`;
    const compiled = validator.compile(schema, name);
    if (which === "output" && !route.isWebsocket && bytesRuleOf(schema) !== undefined) {
      assertAnswerBytes(schema, route);
      return undefined;
    }
    const talksJson = !route.isWebsocket || route.contentType === "application/json";
    if (talksJson && someNode(compiled.document, (node) => BYTES in node)) {
      const advice = "send base64 as Type.String(), or serve the method with @realtime.";
      throw new DefinitionError("SCHEMA_INVALID", `JSON can't carry the bytes() in ${name}; ${advice}`);
    }
    if (!talksJson && someNode(compiled.document, isOfBodies)) {
      const message = `The bytes() in ${name} can't have a contentType or be a stream: it is part of a message.`;
      throw new DefinitionError("SCHEMA_INVALID", message);
    }
    return compiled;
  };
  return { input: compile(route.input, "input"), output: compile(route.output, "output") };
}

/** Checks the bytes() that describes the answer of an endpoint as a whole. */
function assertAnswerBytes(schema: object, route: Pick<RouteSignature, "methodName" | "stream">): void {
  const refuse = (why: string): never => {
    throw new DefinitionError("SCHEMA_INVALID", `The output of ${route.methodName}() is bytes(), but ${why}`);
  };
  if (bytesRuleOf(schema)?.isStream === true)
    refuse("`stream` is for inputs; the method may return a stream anyway.");
  if (route.stream !== false)
    refuse("the items of a stream are JSON; drop `stream`, and return a Readable or a ReadableStream.");
}

/** Whether a schema of bytes has options that only a body or an answer as a whole can have. */
function isOfBodies(node: SchemaNode): boolean {
  const rule = node[BYTES] as BytesRule | undefined;
  return rule?.contentTypes !== undefined || rule?.isStream === true;
}
