import { UPLOAD_POLICY } from "../../routes/media-runtime.ts";

const MAX_URL = 2_048;
const PLACEHOLDER = "${filename}";
/** Characters that S3 ignores in a field's name, and that are invisible. */
const ZERO_WIDTH = /[\u00ad\u200b-\u200f\u2060\ufeff]/g;
const S3_HOST =
  /^(?<bucket>[a-z0-9][a-z0-9.-]*\.)?(?<endpoint>s3(?:express-[a-z0-9-]+)?(?:[.-](?:dualstack|accelerate|accesspoint|object-lambda|outposts|fips|website))?(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?)$/;

/** The reason why a policy is refused, in fal's words; undefined for a valid policy. */
export function uploadPolicyFault(text: string): string | undefined {
  const fault = headerFault(text);
  if (fault === undefined || fault.startsWith("Invalid ")) return fault;
  return `Invalid ${UPLOAD_POLICY} ${fault}`;
}

function headerFault(text: string): string | undefined {
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    return "header: not valid JSON (it has to be an object with url and fields)";
  }
  if (!isRecord(policy)) return "header: expected a JSON object";
  const { url, fields } = policy;
  if (typeof url !== "string") return "header: must contain string 'url'";
  if (!isRecord(fields)) return "header: must contain object 'fields'";
  const fault = urlFault(url);
  return fault === undefined ? fieldsFault(fields) : `'url': ${fault}`;
}

function fieldsFault(fields: Readonly<Record<string, unknown>>): string | undefined {
  const names = Object.keys(fields);
  for (const name of names) {
    if (/\p{Surrogate}/u.test(name)) return "field name: not encodable as UTF-8";
    const fault = valueFault(name, fields[name]);
    if (fault !== undefined) return fault;
  }
  for (const reserved of RESERVED) {
    const same = names.filter((name) => folded(name) === reserved);
    const isAgreed = reserved === "content-type" && new Set(same.map((name) => fields[name])).size === 1;
    if (same.length < 2 || isAgreed) continue;
    return `header: duplicate '${reserved}' fields [${same.toSorted().map(quoted).join(", ")}]`;
  }
  const { key } = fields;
  if (typeof key !== "string" || !key.includes(PLACEHOLDER)) {
    return `header: fields.key must contain '${PLACEHOLDER}'`;
  }
  if (key.startsWith("/") || key.split("/").some(isDots)) {
    return "header: fields.key must not start with '/' or contain '.' or '..' path segments";
  }
  for (const name of names) {
    if (folded(name) !== "content-type") continue;
    if (/[\r\n]/.test(String(fields[name]))) return "Invalid multipart content type: contains CR/LF";
    if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029]/.test(String(fields[name]))) {
      return "Invalid multipart content type: contains a control character";
    }
  }
  const hidden = names.find((name) => RESERVED.includes(folded(name)) && name.toLowerCase() !== folded(name));
  if (hidden === undefined) return undefined;
  const reads = `reads as '${folded(hidden)}' but S3 would not treat it as that field`;
  return `header: fields.${quoted(hidden)} ${reads}`;
}

const RESERVED: readonly string[] = ["key", "content-type"];

function valueFault(name: string, value: unknown): string | undefined {
  const isStrict = RESERVED.includes(folded(name));
  if (isRecord(value) || (isStrict && typeof value !== "string")) {
    return `header: fields.${quoted(name)} must be a string`;
  }
  for (const item of Array.isArray(value) ? (value as unknown[]) : [value]) {
    if (typeof item === "object" && item !== null) {
      return `header: fields.${quoted(name)} must not contain nested values`;
    }
    if (typeof item === "string" && /\p{Surrogate}/u.test(item)) {
      return `fields.${quoted(name)}: not encodable as UTF-8`;
    }
  }
  return undefined;
}

function urlFault(url: string): string | undefined {
  if (/\p{Surrogate}/u.test(url)) return "not encodable as UTF-8";
  if (url.length > MAX_URL) return `longer than ${MAX_URL} characters`;
  if (/[\u0000- \u007f-\u009f\u2028\u2029]/.test(url)) return "must not contain control characters or spaces";
  // Not parsed by URL, which would resolve the dot segments that are checked below.
  const [, scheme = "", authority = "", path = ""] = /^([^:/?#]+):\/\/([^/?#]*)([^?#]*)/.exec(url) ?? [];
  const hostAndPort = authority.slice(authority.lastIndexOf("@") + 1);
  const [, name = "", port] = /^(.*?)(?::(\d*))?$/.exec(hostAndPort) ?? [];
  const { bucket, endpoint = "" } = S3_HOST.exec(name.toLowerCase().replace(/\.+$/, ""))?.groups ?? {};
  if (scheme.toLowerCase() !== "https" || endpoint === "" || endpoint.split(/[.-]/).includes("vpce")) {
    return "must be an HTTPS S3 upload URL";
  }
  if (port !== undefined && port !== "" && Number(port) !== 443) return `port ${Number(port)} is not allowed`;
  if (authority.includes("@") && !/^:?@/.test(authority)) return "must not contain credentials";
  return (
    pathFault(path, bucket, endpoint) ?? (/[?#]/.test(url) ? "must not have a query or fragment" : undefined)
  );
}

function pathFault(path: string, bucketLabel: string | undefined, endpoint: string): string | undefined {
  const decoded = decodedPath(path).replaceAll("\\", "/");
  const raw = decoded.split("/");
  const segments = raw.filter((segment) => segment !== "");
  if (segments.some(isDots)) return "must not contain '.' or '..' path segments";
  if (raw.slice(1, path.endsWith("/") ? -1 : undefined).includes("")) {
    return "must not contain empty path segments";
  }
  const deeper = `must point at the bucket root, not ${quoted(decoded)}`;
  if (bucketLabel === undefined) {
    if (segments.length === 0) return "must name a bucket, either in the host or as the first path segment";
    return segments.length > 1 ? deeper : undefined;
  }
  if (segments.length > 0) return deeper;
  const bucket = bucketLabel.replace(/\.+$/, "");
  const isDottedByDesign =
    (endpoint === "s3-global.amazonaws.com" && /^[a-z0-9-]+\.mrap\.accesspoint$/.test(bucket)) ||
    (endpoint.startsWith("s3-outposts.") && /^[a-z0-9-]+\.[a-z0-9-]+$/.test(bucket));
  if (!bucket.includes(".") || isDottedByDesign) return undefined;
  return `bucket ${quoted(bucket)} contains a dot, so it must be addressed path style`;
}

function decodedPath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path.replaceAll(/%2e/gi, ".").replaceAll(/%2f/gi, "/").replaceAll(/%5c/gi, "\\");
  }
}

/** A field's name as S3 reads it and as it appears. */
function folded(name: string): string {
  return name.normalize("NFKC").replaceAll(ZERO_WIDTH, "").trim().toLowerCase();
}

function isDots(segment: string): boolean {
  return segment === "." || segment === "..";
}

/** Shortens a value of the caller for an answer. */
function quoted(text: string): string {
  return `'${text.length > 100 ? `${text.slice(0, 100)}…` : text}'`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
