import { parameterNames } from "../routes/path-pattern.ts";
import { isSchemaNode, type SchemaNode } from "../routes/schema-walk.ts";
import type { RouteSignature } from "../routes/signature.ts";
import { type Components, titleWords } from "./components.ts";

/** A parameter of an operation. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description?: unknown;
  readonly deprecated?: unknown;
  readonly schema: unknown;
}

/** Headers that OpenAPI describes elsewhere: as parameters they have to be ignored. */
const DESCRIBED_ELSEWHERE: ReadonlySet<string> = new Set(["accept", "content-type", "authorization"]);

/** Describes the parameters of a route: those of the path, of the query string and the declared headers. */
export function describeParameters(route: RouteSignature, components: Components): readonly Parameter[] {
  const { params, query, headers } = route;
  const described = params === undefined ? [] : fieldsOf(components.parameters(params));
  const inPath = parameterNames(route.path).map((name): Parameter => {
    const known = described.find((field) => field.name === name);
    const schema = known?.schema ?? { type: "string", title: titleWords(name) };
    return { name, in: "path", required: true, ...notesOf(schema), schema };
  });
  const fields = (schema: RouteSignature["query"], place: "query" | "header"): Parameter[] =>
    (schema === undefined ? [] : fieldsOf(components.parameters(schema)))
      .filter(({ name }) => place !== "header" || !DESCRIBED_ELSEWHERE.has(name))
      .map(({ name, required, schema: node }) => {
        return { name, in: place, required, ...notesOf(node), schema: node };
      });
  return [...inPath, ...fields(query, "query"), ...fields(headers, "header")];
}

interface Field {
  readonly name: string;
  readonly required: boolean;
  readonly schema: unknown;
}

/** The fields of an object, also those that `allOf` adds. */
function fieldsOf(node: SchemaNode): Field[] {
  const required = Array.isArray(node["required"]) ? node["required"] : [];
  const own = Object.entries(isSchemaNode(node["properties"]) ? node["properties"] : {}).map(
    ([name, schema]) => ({ name, required: required.includes(name), schema }),
  );
  const others = Array.isArray(node["allOf"]) ? node["allOf"].filter(isSchemaNode).flatMap(fieldsOf) : [];
  return [...own, ...others.filter(({ name }) => !own.some((field) => field.name === name))];
}

function notesOf(schema: unknown): Pick<Parameter, "description" | "deprecated"> {
  const { description, deprecated } = isSchemaNode(schema) ? schema : {};
  return {
    ...(description === undefined ? {} : { description }),
    ...(deprecated === undefined ? {} : { deprecated }),
  };
}
