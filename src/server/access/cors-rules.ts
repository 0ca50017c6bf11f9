import type { CorsOptions } from "../../settings/cors.ts";

/** Which origins a server's options admit. */
export class CorsRules {
  /** Any origin may call, without credentials. */
  readonly isAny: boolean;
  readonly credentials: boolean;
  /** The value of `Access-Control-Expose-Headers`; undefined if there is none. */
  readonly exposedHeaders: string | undefined;
  /** The value of `Access-Control-Max-Age`. */
  readonly maxAge: string | undefined;
  readonly #origins: ReadonlySet<string>;
  /** Origins for all names below a domain: scheme, and the end of the host with its port. */
  readonly #below: readonly (readonly [scheme: string, end: string])[];

  constructor({ origins, credentials = false, exposedHeaders = [], maxAgeSeconds }: CorsOptions) {
    const listed = origins === "*" ? [] : origins.map(asSent);
    this.isAny = origins === "*";
    this.credentials = credentials;
    this.exposedHeaders = exposedHeaders.length === 0 ? undefined : exposedHeaders.join(", ");
    this.maxAge = maxAgeSeconds === undefined ? undefined : String(maxAgeSeconds);
    this.#origins = new Set(listed.filter((origin) => !origin.includes("://*.")));
    this.#below = listed
      .filter((origin) => origin.includes("://*."))
      .map((origin) => origin.split("*", 2) as [string, string]);
  }

  /** Whether the list names this origin. */
  lists(origin: string): boolean {
    if (this.#origins.has(origin)) return true;
    return this.#below.some(
      ([scheme, end]) =>
        origin.startsWith(scheme) &&
        origin.endsWith(end) &&
        origin.length > scheme.length + end.length &&
        HOST.test(origin.slice(scheme.length)),
    );
  }
}

/** A host with a port, without anything before or after it. */
const HOST = /^[a-z0-9._-]+(?::\d+)?$/;

/** The origin as browsers write it: in lower case, without the default port of its scheme. */
function asSent(origin: string): string {
  return origin.toLowerCase().replace(/^(https:.*):443$|^(http:.*):80$/, "$1$2");
}
