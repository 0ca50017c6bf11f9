import { foreignKind, kindOf } from "../../json/kinds.ts";
import type { MediaRule } from "../../routes/media-rule.ts";
import { INHERITED_NAMES, isFields, readField, writeField, type Fields } from "./json-values.ts";

/** Normalizes a valid value and returns it, or a copy. */
export type Step = (value: unknown) => unknown;

/** Determines the keys that a rule applies to. */
export interface KeyPattern {
  test(key: string): boolean;
}

/** Used in place of a step for a field that is dropped. */
export const DROPPED: unique symbol = Symbol("dropped");

/** How an object's fields are normalized. */
export interface ObjectPlan {
  readonly properties: readonly {
    readonly key: string;
    readonly step: Step | undefined;
    readonly fallback: unknown;
  }[];
  readonly declared: ReadonlySet<string>;
  /** Undeclared fields: keep or drop all of them, or decide by name. */
  readonly others: "keep" | "drop" | ((key: string) => Step | undefined | typeof DROPPED);
}

/** A default for a missing field. */
interface Fallback {
  readonly key: string;
  readonly fallback: unknown;
}

/**
 * A way to change values: in place, or by copying. Both fill in defaults and drop unknown fields. A step is undefined
 * if there is nothing to do.
 */
export interface NormalizerStyle {
  object(plan: ObjectPlan): Step | undefined;
  array(stepAt: (index: number) => Step | undefined): Step;
  /** Converts what describes a file. */
  media(rule: MediaRule, value: unknown): unknown;
  /** Returns the value that conditions are evaluated on: missing fields have their defaults. */
  withDefaults(fallbacks: readonly Fallback[]): Step;
}

/** For inputs: the value belongs to the framework and is changed in place. */
export const IN_PLACE: NormalizerStyle = {
  object({ properties, declared, others }) {
    const active = readers(
      properties.filter(({ step, fallback }) => step !== undefined || fallback !== undefined),
    );
    if (active.length === 0 && others === "keep") return undefined;
    const names = [...declared];
    return (value) => {
      if (!isFields(value)) return value;
      for (const { key, isInherited, step, fallback } of active) {
        let item = isInherited ? readField(value, key) : value[key];
        if (item === undefined && fallback !== undefined) {
          item = copyOf(fallback);
          writeField(value, key, item);
        }
        if (step === undefined || item === undefined) continue;
        const changed = step(item);
        if (changed !== item) writeField(value, key, changed); // the URL of a file
      }
      if (others === "keep") return value;
      let next = 0; // most objects have their fields in the order of the schema, so that comparing replaces looking up
      for (const key of Object.keys(value)) {
        if (key === names[next]) {
          next++;
          continue;
        }
        if (declared.has(key)) continue;
        const step = others === "drop" ? DROPPED : others(key);
        if (step === DROPPED) delete value[key];
        else if (step !== undefined) {
          const changed = step(value[key]);
          if (changed !== value[key]) writeField(value, key, changed);
        }
      }
      return value;
    };
  },
  array: (stepAt) => (value) => {
    if (!Array.isArray(value)) return value;
    for (let index = 0; index < value.length; index++) {
      const step = stepAt(index);
      if (step !== undefined) value[index] = step(value[index]);
    }
    return value;
  },
  media: (rule, value) => rule.accept(value),
  // Copied although the defaults are filled in afterwards: results about the original value are cached.
  withDefaults: (fallbacks) => (value) => {
    if (!isFields(value)) return value;
    const missing = fallbacks.filter(({ key }) => readField(value, key) === undefined);
    if (missing.length === 0) return value;
    const copy = { ...value };
    for (const { key, fallback } of missing) writeField(copy, key, fallback);
    return copy;
  },
};

/**
 * For results: the value belongs to the app, may be frozen or an instance of a class, and is copied where necessary.
 */
export const COPYING: NormalizerStyle = {
  object({ properties, declared, others }) {
    if (properties.length === 0 && others === "keep") return undefined;
    const all = readers(properties);
    return (source) => {
      // Other objects are left unchanged, and refused later.
      if (!isFields(source) || foreignKind(source) !== undefined) return source;
      const copy: Record<string, unknown> = {};
      let isEmpty = true;
      for (const { key, isInherited, step, fallback } of all) {
        let item = isInherited ? readField(source, key) : source[key];
        if (item === undefined) item = fallback;
        if (item === undefined) continue;
        isEmpty = false;
        writeField(copy, key, step === undefined ? item : step(item));
      }
      // A special object such as `Headers` that has lost all of its content.
      if (others === "drop") return isEmpty && kindOf(source) !== undefined ? source : copy;
      for (const key of Object.keys(source)) {
        if (declared.has(key)) continue;
        const step = others === "keep" ? undefined : others(key);
        if (step === DROPPED) continue;
        writeField(copy, key, step === undefined ? source[key] : step(source[key]));
      }
      return copy;
    };
  },
  array: (stepAt) => (value) =>
    Array.isArray(value)
      ? Array.from(value as readonly unknown[], (item, index) => {
          const step = stepAt(index);
          return step === undefined ? item : step(item);
        })
      : value,
  media: (rule, value) => rule.present(value),
  withDefaults: (fallbacks) => (value) => {
    if (!isFields(value)) return value;
    const missing = fallbacks.filter(({ key }) => readField(value, key) === undefined);
    return missing.length === 0 ? value : withFields(value, missing);
  },
};

/** Tells the few fields that {@link readField} has to read from the others, once instead of for each value. */
function readers<Property extends { readonly key: string }>(
  properties: readonly Property[],
): readonly (Property & { readonly isInherited: boolean })[] {
  return properties.map((property) => ({ ...property, isInherited: INHERITED_NAMES.has(property.key) }));
}

function copyOf(fallback: unknown): unknown {
  return typeof fallback === "object" ? structuredClone(fallback) : fallback;
}

/** A view of the object with additional fields. Not a copy, which would lose the getters of a class. */
function withFields(value: Fields, added: readonly Fallback[]): Fields {
  const fields = new Map(added.map(({ key, fallback }) => [key, fallback]));
  return new Proxy(
    {},
    {
      get: (_, key) =>
        typeof key === "string" && fields.has(key) ? fields.get(key) : (Reflect.get(value, key) as unknown),
      has: (_, key) => (typeof key === "string" && fields.has(key)) || key in value,
      ownKeys: () => [...new Set([...Object.keys(value), ...fields.keys()])],
      getOwnPropertyDescriptor: (_, key) => {
        if (typeof key !== "string" || !(fields.has(key) || Object.hasOwn(value, key))) return undefined;
        const item: unknown = fields.has(key) ? fields.get(key) : value[key];
        return { value: item, enumerable: true, configurable: true, writable: true };
      },
    },
  );
}
