import assert from "node:assert/strict";
import { Validator } from "@seriousme/openapi-schema-validator";
import { collectComponents } from "../../src/openapi/components.ts";
import type { OpenApiDocument } from "../../src/openapi/annotate.ts";
import type { SchemaNode } from "../../src/routes/schema-walk.ts";
import { endpointSignature } from "../../src/routes/endpoint.ts";

/** The components that one endpoint `run` with this input and output adds. */
export function componentsOf(input: object, output?: object): Readonly<Record<string, SchemaNode>> {
  const options = output === undefined ? { input } : { input, output };
  return { ...collectComponents([endpointSignature("run", "/", options)]).schemas };
}

/** Checks a document against the official JSON Schema of OpenAPI 3.1, and that its references resolve. */
export async function assertValidDocument(document: OpenApiDocument): Promise<void> {
  assert.equal(await faultsOf(document), undefined);
  for (const [, reference = ""] of JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)) {
    const name = /^#\/components\/schemas\/([A-Za-z0-9._-]+)$/.exec(reference)?.[1] ?? "";
    assert.ok(name in document.components.schemas, reference);
  }
}

/** Shared by all documents: compiling the official schema takes far longer than checking a document. */
const validator = new Validator();

/** The errors of a document by the official schema; undefined if it is valid. */
export async function faultsOf(document: OpenApiDocument): Promise<unknown> {
  const { valid, errors } = await validator.validate(structuredClone(document) as never);
  return valid ? undefined : errors;
}
