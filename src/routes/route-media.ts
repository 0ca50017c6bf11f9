import { findMediaRule, type MediaRule } from "./media-rule.ts";
import type { RouteSignature } from "./signature.ts";
import { isStandardSchema } from "./standard-schema.ts";

/** The rule of files in the schemas of a route; undefined for a route without files. */
export function mediaOf(route: Pick<RouteSignature, "input" | "output" | "item">): MediaRule | undefined {
  for (const schema of [route.input, route.output, route.item]) {
    const rule = isStandardSchema(schema) ? undefined : findMediaRule(schema);
    if (rule !== undefined) return rule;
  }
  return undefined;
}
