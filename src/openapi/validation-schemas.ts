import type { SchemaNode } from "../routes/schema-walk.ts";

/** What every refused body is answered with. */
export const VALIDATION_SCHEMAS: Readonly<Record<string, SchemaNode>> = {
  HTTPValidationError: {
    properties: {
      detail: { items: { $ref: "#/components/schemas/ValidationError" }, type: "array", title: "Detail" },
    },
    type: "object",
    title: "HTTPValidationError",
    "x-fal-order-properties": ["detail"],
  },
  ValidationError: {
    properties: {
      loc: { items: { anyOf: [{ type: "string" }, { type: "integer" }] }, type: "array", title: "Location" },
      msg: { type: "string", title: "Message" },
      type: { type: "string", title: "Error Type" },
      input: { title: "Input" },
      ctx: { type: "object", title: "Context" },
    },
    type: "object",
    required: ["loc", "msg", "type"],
    title: "ValidationError",
    "x-fal-order-properties": ["loc", "msg", "type", "input", "ctx"],
  },
};
