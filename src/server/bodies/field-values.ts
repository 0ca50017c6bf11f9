import { InputValidationError, type ValidationIssue } from "../../errors.ts";
import type { ValueLimits } from "../../json/scan.ts";
import { fieldConversions, type FieldConversion } from "../validation/text-values.ts";
import type { CompiledSchema } from "../validation/validator.ts";
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

/** Reads the texts of fields as an object that its schema describes. */
export class FieldReader {
  readonly #schema: CompiledSchema;
  readonly #conversions: ReadonlyMap<string, FieldConversion>;

  constructor(schema: CompiledSchema, limits: ValueLimits) {
    this.#schema = schema;
    this.#conversions = fieldConversions(schema.document, (text) => readJson(Buffer.from(text), limits));
  }

  /** Whether a field is declared. Others are dropped. */
  has(name: string): boolean {
    return this.#conversions.has(name);
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
    const fields: Record<string, unknown> = {};
    for (const [name, conversion] of this.#conversions) {
      const given = texts.get(name);
      if (given === undefined) continue;
      try {
        const value = valueOf(given, conversion);
        if (value !== undefined) fields[name] = value;
      } catch (error) {
        if (!(error instanceof InputValidationError)) throw error;
        broken.add(name);
        issues.push(...error.issues.map((issue) => ({ ...issue, loc: located(name, issue.loc) })));
      }
      if (!conversion.isList && given.length > 1) {
        broken.add(name);
        issues.push(repeated(name, given.length));
      }
    }
    let value: unknown;
    try {
      value = this.#schema.accept(fields);
    } catch (error) {
      if (!(error instanceof InputValidationError)) throw error;
      issues.push(...error.issues.filter(({ loc }) => !broken.has(loc[1])));
    }
    if (issues.length === 0) return value as object;
    const names = order ?? [...this.#conversions.keys()];
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

function valueOf(texts: readonly string[], { isList, ignoresEmpty, convert }: FieldConversion): unknown {
  if (isList) return texts.map((text) => convert(text));
  const [text = ""] = texts;
  return text === "" && ignoresEmpty ? undefined : convert(text);
}

/** The place of an issue in the JSON text of a field. */
function located(name: string, loc: ValidationIssue["loc"]): ValidationIssue["loc"] {
  return ["body", name, ...loc.slice(1)];
}
