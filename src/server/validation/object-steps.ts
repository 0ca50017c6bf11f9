import { isFields, readField, writeField } from "./fields.ts";

/** Treats a value that is known to fit, and gives back the one to go on with: itself, or a copy. */
export type Step = (value: unknown) => unknown;

/** Tells which keys a rule is about. */
export interface KeyPattern {
  test(key: string): boolean;
}

/** What a schema says about an object's fields. */
export interface ObjectPlan {
  readonly properties: readonly {
    readonly key: string;
    readonly step: Step | undefined;
    readonly fallback: unknown;
  }[];
  readonly declared: ReadonlySet<string>;
  readonly patterns: readonly { readonly pattern: KeyPattern; readonly step: Step | undefined }[];
  /** For the fields that neither of the above speaks of. */
  readonly rest: Step | undefined;
  /** Whether such fields are dropped. */
  readonly drops: boolean;
}

/** How values are treated: both fill in defaults and drop unknown fields. Undefined: there is nothing to do. */
export interface Style {
  object(plan: ObjectPlan): Step | undefined;
  array(stepAt: (index: number) => Step | undefined): Step;
}

/** For what came in: the value is ours, and is changed in place. */
export const IN_PLACE: Style = {
  object(plan) {
    const { properties, declared, patterns, rest, drops } = plan;
    const active = properties.filter(({ step, fallback }) => step !== undefined || fallback !== undefined);
    const visitsOthers = drops || speaksOfOthers(plan);
    if (active.length === 0 && !visitsOthers) return undefined;
    return (value) => {
      if (!isFields(value)) return value;
      for (const { key, step, fallback } of active) {
        let item = readField(value, key);
        if (item === undefined && fallback !== undefined) {
          item = typeof fallback === "object" ? structuredClone(fallback) : fallback;
          writeField(value, key, item);
        }
        if (step !== undefined && item !== undefined) step(item);
      }
      if (!visitsOthers) return value;
      for (const key in value) {
        if (declared.has(key)) continue;
        const matching = patterns.filter(({ pattern }) => pattern.test(key));
        for (const { step } of matching) step?.(value[key]);
        if (matching.length > 0) continue;
        if (drops) delete value[key];
        else rest?.(value[key]);
      }
      return value;
    };
  },
  array: (stepAt) => (value) => {
    if (Array.isArray(value))
      for (let index = 0; index < value.length; index++) stepAt(index)?.(value[index]);
    return value;
  },
};

/** For what goes out: the value is the app's, perhaps frozen or of a class, and is copied where it matters. */
export const COPYING: Style = {
  object(plan) {
    const { properties, declared, patterns, rest, drops } = plan;
    if (properties.length === 0 && !drops && !speaksOfOthers(plan)) return undefined;
    return (value) => {
      if (!isFields(value)) return value;
      const source = typeof value["toJSON"] === "function" ? (value["toJSON"]() as unknown) : value;
      if (!isFields(source)) return source;
      const copy: Record<string, unknown> = {};
      for (const { key, step, fallback } of properties) {
        let item = readField(source, key);
        if (item === undefined) item = fallback;
        if (item !== undefined) writeField(copy, key, step === undefined ? item : step(item));
      }
      if (drops && patterns.length === 0) return copy;
      for (const key of Object.keys(source)) {
        if (declared.has(key)) continue;
        const matching = patterns.filter(({ pattern }) => pattern.test(key));
        if (matching.length === 0 && drops) continue;
        const steps = matching.length === 0 ? [rest] : matching.map(({ step }) => step);
        writeField(
          copy,
          key,
          steps.reduce((item, step) => (step === undefined ? item : step(item)), source[key]),
        );
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
};

function speaksOfOthers({ rest, patterns }: ObjectPlan): boolean {
  return rest !== undefined || patterns.some(({ step }) => step !== undefined);
}
