/** Matches anything: any characters in a text; any value, or further values, in JSON. */
const ANYTHING = "…";

/** Whether a printed response matches the one in the documentation. */
export function isLike(shown: string, printed: string, language: string): boolean {
  if (language !== "json") return pattern(shown.trim()).test(printed);
  return valueIsLike(JSON.parse(shown), JSON.parse(printed));
}

function valueIsLike(shown: unknown, actual: unknown): boolean {
  if (typeof shown === "string" && typeof actual === "string") return pattern(shown).test(actual);
  if (shown === ANYTHING) return true;
  if (Array.isArray(shown)) {
    if (!Array.isArray(actual)) return false;
    const open = shown.at(-1) === ANYTHING;
    const listed = open ? shown.slice(0, -1) : shown;
    if (open ? actual.length < listed.length : actual.length !== listed.length) return false;
    return listed.every((item, index) => valueIsLike(item, actual[index]));
  }
  if (typeof shown !== "object" || shown === null) return Object.is(shown, actual);
  if (typeof actual !== "object" || actual === null || Array.isArray(actual)) return false;
  const open = ANYTHING in shown;
  const keys = Object.keys(shown).filter((key) => key !== ANYTHING);
  if (!open && Object.keys(actual).length !== keys.length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(actual, key) &&
      valueIsLike((shown as Record<string, unknown>)[key], (actual as Record<string, unknown>)[key]),
  );
}

function pattern(text: string): RegExp {
  const parts = text.split(ANYTHING).map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join("[^]*")}$`);
}
