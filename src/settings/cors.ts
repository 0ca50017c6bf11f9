import { didYouMean } from "../did-you-mean.ts";
import { flag, isRecord, misfit, Misfit, readList, wholeNumber, type Check } from "./check.ts";

/** Which pages of other origins may call a server. */
export interface CorsOptions {
  /**
   * Origins whose pages may call, also by websocket: "*" for any, or a list. An entry is an origin as browsers send it,
   * such as "https://example.com"; "https://*.example.com" stands for all names below, "null" for pages without an origin.
   */
  readonly origins: "*" | readonly string[];
  /**
   * Whether these pages may send cookies and other credentials of the browser. Needs a list of origins. Default false.
   */
  readonly credentials?: boolean | undefined;
  /** Answer headers that scripts may read, in addition to those that every browser shows. Default: none. */
  readonly exposedHeaders?: readonly string[] | undefined;
  /** Time for which browsers keep the answer to a preflight, in seconds. Default 600. */
  readonly maxAgeSeconds?: number | undefined;
}

/** An origin may have an app's own scheme (`capacitor://localhost`). It never ends with a slash or has a path. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/(?:\*\.)?[^/?#@,\s*]+$/i;
const HEADER = /^[\w!#$%&'*+.^`|~-]+$/;
const NAMES = ["origins", "credentials", "exposedHeaders", "maxAgeSeconds"] as const;

const origin: Check<string> = (value) =>
  typeof value === "string" && (value === "null" || ORIGIN.test(value))
    ? value
    : misfit(
        'an origin as a browser sends it, such as "https://example.com", with its port if it has one',
        value,
      );

const header: Check<string> = (value) =>
  typeof value === "string" && HEADER.test(value)
    ? value
    : misfit('the name of a header, such as "x-request-id"', value);

const origins: Check<"*" | readonly string[]> = (value) =>
  value === "*" ? value : readList(value, '"*" or a list of origins', origin);

const exposedHeaders: Check<readonly string[]> = (value) =>
  readList(value, 'a list of headers, such as ["x-request-id"]', header);

const CHECKS: Readonly<Record<(typeof NAMES)[number], Check>> = {
  origins,
  credentials: flag,
  exposedHeaders,
  maxAgeSeconds: wholeNumber(0, 86_400),
};

export const cors: Check<CorsOptions> = (value) => {
  if (!isRecord(value)) return misfit('an object such as { origins: ["https://example.com"] }', value);
  const checked: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(value)) {
    if (!isName(name)) {
      return new Misfit(`made of ${NAMES.join(", ")}`, `${JSON.stringify(name)}${didYouMean(name, NAMES)}`);
    }
    if (given === undefined) continue;
    const result = CHECKS[name](given);
    if (result instanceof Misfit) return result.within(`.${name}`);
    checked[name] = result;
  }
  const options = checked as unknown as CorsOptions; // each field passed its check
  if (options.origins === undefined) return misfit('"*" or a list of origins', undefined).within(".origins");
  if (options.origins === "*" && options.credentials === true) {
    return misfit("a list of origins, because credentials are true", "*").within(".origins");
  }
  return options;
};

function isName(name: string): name is (typeof NAMES)[number] {
  return (NAMES as readonly string[]).includes(name);
}
