import { DefinitionError } from "../errors.ts";

const TOKEN = "[\\w!#$%&'*+.^`|~-]+";
const TYPE = new RegExp(`^${TOKEN}/(?:${TOKEN})$`);

/**
 * Checks the content types that a schema accepts, such as `image/png`, `image/*` or a list of them. Returns them in
 * lower case; undefined for any type.
 * @param where the function and its option, for the message: `bytes(): contentType`
 * @throws DefinitionError
 */
export function resolveContentTypes(where: string, given: unknown): readonly string[] | undefined {
  if (given === undefined) return undefined;
  const types: unknown[] = Array.isArray(given) ? given : [given];
  for (const type of types) {
    if (typeof type === "string" && TYPE.test(type)) continue;
    throw new DefinitionError(
      "SCHEMA_INVALID",
      `${where} must be a content type without parameters, such as "image/png" or "image/*", got ${JSON.stringify(type)}.`,
    );
  }
  if (types.length === 0) {
    throw new DefinitionError("SCHEMA_INVALID", `${where} lists no content type; omit it to accept any.`);
  }
  return [...new Set((types as string[]).map((type) => type.toLowerCase()))];
}

/** The accepted type, if there is only one. */
export function onlyType(accepted: readonly string[] | undefined): string | undefined {
  const [first, ...others] = accepted ?? [];
  return others.length > 0 || first?.includes("*") === true ? undefined : first;
}

/** The type without parameters, in lower case: `text/plain` of `Text/Plain; charset=utf-8`. "" if missing. */
export function essenceOf(contentType: string | undefined): string {
  const end = contentType?.indexOf(";") ?? -1;
  return (end < 0 ? (contentType ?? "") : (contentType ?? "").slice(0, end)).trim().toLowerCase();
}

/** Whether a content type is one of those accepted. `*` matches any subtype; undefined accepts everything. */
export function matchesType(
  accepted: readonly string[] | undefined,
  contentType: string | undefined,
): boolean {
  if (accepted === undefined) return true;
  const essence = essenceOf(contentType);
  return accepted.some(
    (type) =>
      type === essence || type === "*/*" || (type.endsWith("/*") && essence.startsWith(type.slice(0, -1))),
  );
}
