import { documentSteps, type OpenApiDocument, type SecuritySchemes } from "../../openapi/annotate.ts";
import type { LoadSettings } from "../../openapi/overload-answers.ts";
import { withSecurity } from "../../openapi/security.ts";
import type { Authentication } from "../../settings/authentication.ts";
import type { ServerDefinition } from "../definition.ts";
import { compileParameters } from "../parameters/request-parameters.ts";
import { assertRoutes, compileSchemas } from "../validation/route-schemas.ts";
import { Validator } from "../validation/validator.ts";
import { describeOwnRoutes } from "./own-document.ts";
import { readOwnRoutes, type OwnRoutes } from "./own-routes.ts";
import { takeTurns } from "./turns.ts";
import { documentedRoutes } from "./standard-documents.ts";

/** The parts of a definition that the document is made of. */
export type Documented = Pick<
  ServerDefinition,
  "name" | "version" | "routes" | "authentication" | "moduleUrl"
> &
  LoadSettings;

/**
 * Builds the OpenAPI document of a class, without listening and without `setup()`.
 * @throws DefinitionError if the class can't be served
 */
export async function createDocument(
  definition: Omit<Documented, "maxMultiplexing"> &
    Pick<ServerDefinition, "configure" | "className" | "settings">,
  rootPath: string,
): Promise<OpenApiDocument> {
  const validator = new Validator();
  for (const route of definition.routes.keys()) {
    compileSchemas(validator, route);
    compileParameters(validator, route);
  }
  const documented = { ...definition, maxMultiplexing: definition.settings.maxMultiplexing };
  return makeDocument(documented, rootPath, await readOwnRoutes(definition));
}

/**
 * Builds the document of a class that has been checked. Other work of the process continues meanwhile.
 * @param own the routes that the app has added to its server; undefined if they are not known
 */
export async function makeDocument(
  definition: Documented,
  rootPath: string,
  own: OwnRoutes | undefined,
): Promise<OpenApiDocument> {
  assertRoutes(definition);
  const { name, version, authentication } = definition;
  const signatures = await documentedRoutes(definition.routes.keys(), definition.moduleUrl);
  const frame = {
    info: { title: name, version },
    ...(rootPath === "" ? {} : { servers: [{ url: rootPath }] }),
  };
  const steps = documentSteps(signatures, {
    ...frame,
    ...(await describeOwnRoutes(own, frame)),
    settings: definition,
  });
  const document = await takeTurns(steps);
  if (authentication === undefined) return document;
  const open = (own?.routes ?? []).filter((route) => route.isPublic);
  return withSecurity(document, schemesOf(authentication), signatures, open);
}

/** The security schemes of an app that identifies its callers. */
export function schemesOf({ securitySchemes }: Authentication): SecuritySchemes {
  return securitySchemes ?? { bearer: { type: "http", scheme: "bearer" } };
}
