import type { FastifyRequest } from "fastify";
import { closestName } from "../did-you-mean.ts";
import { DefinitionError } from "../errors.ts";
import { assertFits } from "../settings/check.ts";
import { authentication, type Authentication } from "../settings/authentication.ts";

interface Authenticating {
  authenticate(request: FastifyRequest): unknown;
}

/** The static `auth` of an app's class or of the nearest ancestor that has one. */
export function staticAuth(app: object): Authentication | undefined {
  return (app.constructor as { auth?: Authentication }).auth;
}

/**
 * How an app identifies its callers: by its method `authenticate()`, whose default is the static `auth`. Undefined if it
 * has neither.
 * @param base the prototype with the default method
 * @throws DefinitionError for an invalid static, or one that was probably meant to be the method
 */
export function authenticationOf(app: Authenticating, base: Authenticating): Authentication | undefined {
  const auth = staticAuth(app);
  const { name } = app.constructor;
  if (auth !== undefined) {
    assertFits(`${name}.auth`, auth, authentication, (message) => {
      throw new DefinitionError("SETTING_INVALID", message);
    });
  }
  if (auth === undefined && app.authenticate === base.authenticate) {
    assertNotMisspelt(app, base);
    return undefined;
  }
  return { ...auth, authenticate: (request) => app.authenticate(request) };
}

/** An app that was meant to identify its callers must not be open to everyone because of a typing error. */
function assertNotMisspelt(app: object, base: object): void {
  const { name } = app.constructor;
  const refuse = (key: string, advice: string): never => {
    throw new DefinitionError("SETTING_UNKNOWN", `${name}.${key} ${advice}`);
  };
  for (const owner of chain(app.constructor, base.constructor)) {
    const key = Object.getOwnPropertyNames(owner).find(isLikeTheMethod);
    if (key !== undefined)
      refuse(key, "is static and has no effect; write authenticate(request) without static, or static auth.");
  }
  for (const owner of [app, ...chain(Object.getPrototypeOf(app) as object, base)]) {
    const key = Object.getOwnPropertyNames(owner).find(isLikeTheMethod);
    if (key !== undefined) refuse(key, 'has no effect; did you mean "authenticate"?');
    const auth: unknown = Object.getOwnPropertyDescriptor(owner, "auth")?.value;
    if (typeof auth === "object" && auth !== null && "authenticate" in auth)
      refuse("auth", "has no effect on an instance; write static auth.");
  }
}

function isLikeTheMethod(key: string): boolean {
  return closestName(key, ["authenticate"]) !== undefined || key === "authentication";
}

/** An object and its prototypes before `end`. */
function chain(start: object, end: object): object[] {
  const owners: object[] = [];
  for (
    let owner: object | null = start;
    owner !== null && owner !== end;
    owner = Object.getPrototypeOf(owner) as object | null
  ) {
    owners.push(owner);
  }
  return owners;
}
