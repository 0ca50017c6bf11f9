import type { Static, TSchema } from "typebox";

/**
 * A schema of any library that implements {@link https://standardschema.dev | Standard Schema}, such as Zod, Valibot or
 * ArkType. The interface is declared here, as its authors intend, so that no package is needed.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": StandardProperties<Input, Output>;
}

/** The properties by which a library describes a schema. */
interface StandardProperties<Input = unknown, Output = Input> {
  readonly version: 1;
  /** The library: "zod", "valibot", "arktype". */
  readonly vendor: string;
  readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  /** For the compiler only; undefined at run time. */
  readonly types?: { readonly input: Input; readonly output: Output } | undefined;
}

/** The outcome of a validation: the value as the schema converts it, or the reasons why it does not fit. */
export type StandardResult<Output = unknown> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: Iterable<StandardIssue> };

/** A reason why a value does not fit. Libraries add fields of their own, such as a code. */
export interface StandardIssue {
  readonly message: string;
  /** The keys that lead to the invalid part, some as objects. */
  readonly path?: Iterable<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** The type of the values that a schema accepts, before it converts them: what a method with this `output` returns. */
export type InferInput<Schema> = Schema extends { readonly "~standard": { readonly types?: infer Types } }
  ? "input" extends keyof NonNullable<Types>
    ? NonNullable<Types>["input"]
    : unknown
  : Schema extends TSchema
    ? Static<Schema>
    : unknown;

/** The type of the values that a schema produces: what a method with this `input` is called with. */
export type InferOutput<Schema> = Schema extends { readonly "~standard": { readonly types?: infer Types } }
  ? "output" extends keyof NonNullable<Types>
    ? NonNullable<Types>["output"]
    : unknown
  : Schema extends TSchema
    ? Static<Schema>
    : unknown;

/** Whether a value is a schema of a library that implements Standard Schema. ArkType's schemas are functions. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard = (value as { readonly "~standard"?: unknown })["~standard"];
  return (
    typeof standard === "object" &&
    standard !== null &&
    (standard as StandardProperties).version === 1 &&
    typeof (standard as StandardProperties).validate === "function"
  );
}
