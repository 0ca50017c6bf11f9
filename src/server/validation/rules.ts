import { BYTES, type BytesLimits } from "../../routes/bytes.ts";
import { MEDIA, type MediaRule } from "../../routes/media-rule.ts";
import type { SchemaNode } from "../../routes/schema-walk.ts";
import { areUnique, memberOf } from "./equality.ts";
import { isFields, isObject, isOfType, readField } from "./json-values.ts";
import { formatCheck } from "./formats.ts";
import { sizeOf } from "./work-budget.ts";
import { needsBound, patternTest } from "./patterns/pattern-safety.ts";

/** A rule about a value as a whole, independent of its parts. */
export interface Rule {
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  fits(value: unknown): boolean;
  /** The cost of the check in addition to the usual step. */
  cost?(value: unknown): number;
}

type Make = (limit: unknown, node: SchemaNode) => Omit<Rule, "keyword">;

const ofNumbers =
  (holds: (value: number, limit: number) => boolean): Make =>
  (limit) => ({
    params: { limit },
    fits: (value) => typeof value !== "number" || !Number.isFinite(value) || holds(value, limit as number),
  });

const ofTexts =
  (holds: (length: number, limit: number) => boolean): Make =>
  (limit) => ({
    params: { limit },
    fits: (value) => typeof value !== "string" || holds(codePoints(value), limit as number),
    cost: textCost,
  });

const ofSizes =
  (
    sizeOfValue: (value: unknown) => number | undefined,
    holds: (size: number, limit: number) => boolean,
  ): Make =>
  (limit) => ({
    params: { limit },
    fits: (value) => {
      const size = sizeOfValue(value);
      return size === undefined || holds(size, limit as number);
    },
  });

const items = (value: unknown): number | undefined => (Array.isArray(value) ? value.length : undefined);
const fields = (value: unknown): number | undefined =>
  isObject(value) ? Object.keys(value).length : undefined;
const atLeast = (size: number, limit: number): boolean => size >= limit;
const atMost = (size: number, limit: number): boolean => size <= limit;

/** In the order in which issues are reported. */
const MAKERS: Readonly<Record<string, Make>> = {
  type: (type) => ({ params: { type }, fits: (value) => isOfType(value, type) }),
  maximum: ofNumbers(atMost),
  minimum: ofNumbers(atLeast),
  exclusiveMaximum: ofNumbers((value, limit) => value < limit),
  exclusiveMinimum: ofNumbers((value, limit) => value > limit),
  multipleOf: (step) => ({
    params: { multipleOf: step },
    fits: (value) =>
      typeof value !== "number" || !Number.isFinite(value) || isMultiple(value, step as number),
  }),
  maxLength: ofTexts(atMost),
  minLength: ofTexts(atLeast),
  pattern(pattern, node) {
    const test = patternTest(String(pattern));
    const limit = node["maxLength"];
    // Unsafe patterns are not tried on texts above maxLength, whose length is reported instead.
    const most = typeof limit === "number" && needsBound(String(pattern)) ? limit : Infinity;
    return {
      params: { pattern },
      fits: (value) =>
        typeof value !== "string" || (most < Infinity && codePoints(value) > most) || test(value),
      cost: textCost,
    };
  },
  maxProperties: ofSizes(fields, atMost),
  minProperties: ofSizes(fields, atLeast),
  maxItems: ofSizes(items, atMost),
  minItems: ofSizes(items, atLeast),
  uniqueItems: (wanted) => ({
    params: {},
    fits: (value) => wanted !== true || !Array.isArray(value) || areUnique(value),
    cost: (value) => (Array.isArray(value) ? sizeOf(value) : 0),
  }),
  const: (value) => listed([value]),
  enum: (values) => listed(values as readonly unknown[]),
  format(format) {
    const { type, fits } = formatCheck(String(format));
    return {
      params: { format },
      fits: (value) => typeof value !== type || fits(value as string | number),
      cost: textCost,
    };
  },
  dependentRequired: (demands) => ({
    params: { demands },
    fits: (value) => lacking(value, demands as Readonly<Record<string, readonly string[]>>).length === 0,
  }),
  [BYTES]: (limits) => ({
    params: { limits },
    fits: (value) => bytesFault(limits as BytesLimits, value) === undefined,
  }),
  [MEDIA]: (rule) => ({ params: {}, fits: (value) => (rule as MediaRule).fits(value) }),
};

function listed(values: readonly unknown[]): Omit<Rule, "keyword"> {
  const isMember = memberOf(values);
  return {
    params: { allowedValues: values },
    fits: isMember,
    cost: (value) => (typeof value === "object" && value !== null ? sizeOf(value) : 0),
  };
}

/** The rules of a node about values as a whole. */
export function rulesOf(node: SchemaNode): readonly Rule[] {
  return Object.entries(MAKERS).flatMap(([keyword, make]) =>
    node[keyword] === undefined ? [] : [{ keyword, ...make(node[keyword], node) }],
  );
}

/** The missing fields that are required by other fields of the value. */
export function lacking(value: unknown, demands: Readonly<Record<string, readonly string[]>>): string[] {
  if (!isFields(value)) return [];
  return Object.entries(demands)
    .filter(([key]) => readField(value, key) !== undefined)
    .flatMap(([, names]) => names.filter((name) => readField(value, name) === undefined));
}

/** Counts characters as code points: some of them take two code units. */
function codePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length - 1; at++) {
    const isPair = (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00;
    if (isPair) {
      count--;
      at++;
    }
  }
  return count;
}

/** `0.3` is a multiple of `0.1`, though `0.3 / 0.1` is not whole. */
function isMultiple(value: number, step: number): boolean {
  const times = value / step;
  return Math.abs(Math.round(times) - times) <= 1e-9;
}

function textCost(value: unknown): number {
  return typeof value === "string" ? value.length >> 4 : 0;
}

/** The violated limit of a bytes value, or an empty record for another type; undefined for a valid value. */
export function bytesFault(
  { minBytes = 0, maxBytes = Infinity }: BytesLimits,
  value: unknown,
): Record<string, number> | undefined {
  if (!(value instanceof Uint8Array)) return {};
  if (value.byteLength < minBytes) return { minBytes };
  return value.byteLength > maxBytes ? { maxBytes } : undefined;
}
