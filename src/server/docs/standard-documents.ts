import { createRequire } from "node:module";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { asError } from "../../answers.ts";
import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { describeRoute, type RouteSignature } from "../../routes/signature.ts";
import { isStandardSchema, type StandardSchema } from "../../routes/standard-schema.ts";

/** Which values a schema is to be described for: those that it accepts, or those that it produces. */
type Side = "input" | "output";

/** A conversion by a library's own converter. */
interface Request {
  readonly schema: StandardSchema;
  readonly side: Side;
  /** Loads a package that the app has installed. @throws Error with the code of Node */
  readonly load: (name: string) => Promise<Readonly<Record<string, unknown>>>;
}

const TARGET = "draft-2020-12";
const DATE = { type: "string", format: "date-time" } as const;

/** The interface that newer versions of libraries have in `~standard` (Standard JSON Schema). */
type Convert = (options: { target: string; libraryOptions?: object }) => unknown;

/** Options of the libraries: parts that JSON Schema can't describe are described as any value, dates as their text. */
const LIBRARY_OPTIONS: Readonly<Record<string, object>> = {
  zod: {
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }: { zodSchema: ZodInternals; jsonSchema: object }): void => {
      if (zodSchema._zod.def.type === "date") Object.assign(jsonSchema, DATE);
    },
  },
  arktype: {
    fallback: {
      date: ({ base }: { base: object }) => ({ ...base, ...DATE }),
      default: ({ base }: { base: object }) => base,
    },
  },
  valibot: {
    errorMode: "ignore",
    overrideSchema: ({ valibotSchema }: { valibotSchema: { type?: unknown } }) =>
      valibotSchema.type === "date" ? DATE : undefined,
  },
};

interface ZodInternals {
  readonly _zod: { readonly def: { readonly type: string } };
}

/** The converters of libraries whose schemas do not convert themselves. */
const CONVERTERS: Readonly<Record<string, (request: Request) => Promise<unknown>>> = {
  async zod({ schema, side, load }) {
    if (!("_zod" in schema)) throw new Undocumented("Zod 3 has no JSON Schema; install zod 4");
    const { toJSONSchema } = await load("zod");
    return callConverter("zod 4", toJSONSchema, schema, {
      ...LIBRARY_OPTIONS["zod"],
      target: TARGET,
      io: side,
    });
  },
  async valibot({ schema, side, load }) {
    const { toJsonSchema } = await load("@valibot/to-json-schema");
    const options = { ...LIBRARY_OPTIONS["valibot"], target: TARGET, typeMode: side };
    return callConverter("@valibot/to-json-schema", toJsonSchema, schema, options);
  },
  async arktype({ schema, side }) {
    const ends = schema as { in?: Convertible; out?: Convertible };
    const end = (side === "input" ? ends.in : ends.out) ?? (schema as Convertible);
    if (typeof end.toJsonSchema !== "function") throw new Undocumented("install arktype 2.1 or newer");
    return end.toJsonSchema(LIBRARY_OPTIONS["arktype"]);
  },
};

interface Convertible {
  toJsonSchema?: (options?: object) => unknown;
}

function callConverter(name: string, converter: unknown, schema: object, options: object): unknown {
  if (typeof converter !== "function") throw new Undocumented(`install a newer ${name}`);
  return (converter as (schema: object, options: object) => unknown)(schema, options);
}

/** Why a schema has no description, and what to do about it. */
class Undocumented extends Error {}

/**
 * Replaces the schemas of other libraries in routes by JSON Schema, for the document. A schema whose library has no
 * converter is described as any value, with a warning that names the package to install: the app works without it.
 * @param moduleUrl the app's module, which converters are looked for from; undefined: the working directory
 */
export async function documentedRoutes(
  routes: Iterable<RouteSignature>,
  moduleUrl: string | undefined,
): Promise<RouteSignature[]> {
  const load = createLoader(moduleUrl);
  const known = {
    input: new Map<StandardSchema, SchemaNode>(),
    output: new Map<StandardSchema, SchemaNode>(),
  };
  const describe = async (schema: unknown, side: Side, where: string): Promise<SchemaNode> => {
    if (!isStandardSchema(schema)) return schema as SchemaNode;
    let node = known[side].get(schema);
    if (node === undefined)
      known[side].set(schema, (node = await toJsonSchema({ schema, side, load }, where)));
    return node;
  };
  const described: RouteSignature[] = [];
  for (const route of routes) {
    if (SCHEMAS.some((name) => isStandardSchema(route[name]))) await nextTurn(); // requests are answered in between
    const changed: Record<string, SchemaNode> = {};
    for (const name of SCHEMAS) {
      if (!isStandardSchema(route[name])) continue;
      const side = name === "output" || name === "item" ? "output" : "input";
      changed[name] = await describe(route[name], side, `the ${name} of ${describeRoute(route)}`);
    }
    described.push(Object.keys(changed).length === 0 ? route : { ...route, ...changed });
  }
  return described;
}

const SCHEMAS = ["input", "output", "item", "params", "query", "headers"] as const;

async function toJsonSchema(request: Request, where: string): Promise<SchemaNode> {
  const { schema, side } = request;
  const { vendor } = schema["~standard"];
  try {
    const { jsonSchema } = schema["~standard"] as { jsonSchema?: Partial<Record<Side, Convert>> };
    const convert = jsonSchema?.[side];
    const options = { target: TARGET, libraryOptions: LIBRARY_OPTIONS[vendor] ?? {} };
    const node =
      convert === undefined
        ? await (CONVERTERS[vendor] ?? refuse)(request)
        : convert.call(jsonSchema, options);
    if (isSchemaNode(node)) return { ...node }; // without the hidden property by which Zod marks it as its schema
    throw new Undocumented(`its JSON Schema is ${String(node)}, not an object`);
  } catch (error) {
    warn(schema, `The document describes ${where} as any value: ${reasonOf(error, vendor)}.`);
    return {};
  }
}

function refuse({ schema }: Request): never {
  throw new Undocumented(`the version of ${schema["~standard"].vendor} has no Standard JSON Schema`);
}

function reasonOf(error: unknown, vendor: string): string {
  if (error instanceof Undocumented) return error.message;
  const { message } = asError(error);
  return `${vendor} can't convert it to JSON Schema (${message.split("\n", 1)[0] ?? ""})`;
}

const warned = new WeakSet<StandardSchema>();

function warn(schema: StandardSchema, message: string): void {
  if (warned.has(schema)) return;
  warned.add(schema);
  process.emitWarning(message, { type: "ServableWarning", code: "SCHEMA_UNDOCUMENTED" });
}

function createLoader(moduleUrl: string | undefined): Request["load"] {
  const require = createRequire(moduleUrl ?? pathToFileURL(`${process.cwd()}/`));
  return async (name) => {
    let path: string;
    try {
      path = require.resolve(name);
    } catch (error) {
      throw new Undocumented(`install the package ${name}`, { cause: error });
    }
    return (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  };
}
