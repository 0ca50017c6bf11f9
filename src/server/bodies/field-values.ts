import { InputValidationError, type ValidationIssue } from "../../errors.ts";
import type { ValueLimits } from "../../json/scan.ts";
import { mapOf } from "../validation/canonical-nodes.ts";
import {
  acceptedTypes,
  compileTextConversion,
  fieldNodes,
  type ConvertedSchema,
  type TextConversion,
} from "../validation/text-conversion.ts";
import { withTextFaults } from "../validation/text-faults.ts";
import type { CompiledSchema, Validator } from "../validation/validator.ts";
import { readJson } from "./json-body.ts";

/** The texts of a form or a multipart body by field, and the issues found while they were read. */
export class FieldTexts {
  readonly #texts = new Map<string, string[]>();

  add(name: string, text: string): void {
    const texts = this.#texts.get(name);
    if (texts === undefined) this.#texts.set(name, [text]);
    else texts.push(text);
  }

  get(name: string): readonly string[] | undefined {
    return this.#texts.get(name);
  }
}

/** How the texts of one field become its value. */
interface Field {
  /** Undefined: they stay text. */
  readonly convert: TextConversion | undefined;
  /** Whether the field may occur several times. */
  readonly isList: boolean;
  /** Whether an empty text counts as missing: browsers send the empty fields of a form, too. */
  readonly ignoresEmpty: boolean;
}

/** Reads the texts of fields as an object that its schema describes. */
export class FieldReader {
  readonly #schema: CompiledSchema;
  readonly #fields: ReadonlyMap<string, Field>;

  constructor(schema: CompiledSchema, limits: ValueLimits, validator: Validator) {
    this.#schema = schema;
    const definitions = mapOf(schema.document["$defs"]) as ConvertedSchema["definitions"];
    const converted: Omit<ConvertedSchema, "node"> = {
      definitions,
      fitsNode: (node) => validator.compile({ ...node, $defs: definitions }, "a field of a form").fits,
      readJson: (text) => readJson(Buffer.from(text), limits),
    };
    this.#fields = new Map(
      [...fieldNodes(schema.document, definitions)].map(([name, node]) => {
        const types = acceptedTypes(node, definitions);
        const isText = types.has("string") || types.has("null");
        return [
          name,
          {
            convert: compileTextConversion({ ...converted, node }),
            isList: types.has("array"),
            ignoresEmpty: !isText && !types.has("array"),
          },
        ];
      }),
    );
  }

  /** Whether a field is declared. Others are dropped. */
  has(name: string): boolean {
    return this.#fields.has(name);
  }

  /**
   * Converts and validates the texts.
   * @param more issues of other parts of the body
   * @param order the names of all parts, for the order of issues; default: the order of the fields
   * @throws InputValidationError
   */
  read(texts: FieldTexts, more: readonly ValidationIssue[] = [], order?: readonly string[]): object {
    const issues: ValidationIssue[] = [...more];
    const broken = new Set<unknown>();
    const values: Record<string, unknown> = {};
    /** The texts that do not hold JSON. */
    const plain: Record<string, string | readonly string[]> = {};
    for (const [name, field] of this.#fields) {
      const given = texts.get(name);
      if (given === undefined) continue;
      try {
        const value = valueOf(given, field);
        if (value !== undefined) values[name] = value;
        if (!holdsObject(value)) plain[name] = given.length === 1 ? (given[0] ?? "") : given;
      } catch (error) {
        if (!(error instanceof InputValidationError)) throw error;
        broken.add(name);
        issues.push(...error.issues.map((issue) => ({ ...issue, loc: located(name, issue.loc) })));
      }
      if (!field.isList && given.length > 1) {
        broken.add(name);
        issues.push(repeated(name, given.length));
      }
    }
    let value: unknown;
    try {
      value = this.#schema.accept(values);
    } catch (error) {
      if (!(error instanceof InputValidationError)) throw error;
      issues.push(...withTextFaults(error.issues, plain).filter(({ loc }) => !broken.has(loc[1])));
    }
    if (issues.length === 0) return value as object;
    const names = order ?? [...this.#fields.keys()];
    throw new InputValidationError(
      issues
        .map((issue) => ({ issue, place: names.indexOf(String(issue.loc[1])) }))
        .toSorted((one, other) => one.place - other.place)
        .map(({ issue }) => issue),
    );
  }
}

/** The issue of a field or file that occurs several times, but is not a list. */
export function repeated(name: string, count: number): ValidationIssue {
  const msg = `Input should occur once, not ${count} times`;
  return { type: "value_error", loc: ["body", name], msg, input: null };
}

function valueOf(texts: readonly string[], { convert, isList, ignoresEmpty }: Field): unknown {
  const [first = ""] = texts;
  if (ignoresEmpty && first === "") return undefined;
  const text = isList && texts.length > 1 ? texts : first;
  return convert === undefined ? text : convert(text);
}

function holdsObject(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((item) => typeof item === "object" && item !== null);
  return typeof value === "object" && value !== null;
}

/** The place of an issue in the JSON text of a field. */
function located(name: string, loc: ValidationIssue["loc"]): ValidationIssue["loc"] {
  return ["body", name, ...loc.slice(1)];
}
