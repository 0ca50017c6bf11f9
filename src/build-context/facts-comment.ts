/** A Dockerfile comment that has facts as JSON on one line, behind a mark. */
export function factsComment(mark: string, facts: object): string {
  return mark + JSON.stringify(facts);
}

/** The facts behind a mark in a Dockerfile; undefined if there are none, or they are not JSON. They are untrusted. */
export function readComment(mark: string, dockerfile: string): unknown {
  const line = dockerfile.split("\n").find((each) => each.startsWith(mark));
  if (line === undefined) return undefined;
  try {
    return JSON.parse(line.slice(mark.length));
  } catch {
    return undefined;
  }
}

/** Whether a value is a path that stays in its folder. */
export function isInnerPath(value: unknown): value is string {
  return (
    typeof value === "string" &&
    value !== "" &&
    !/^[/\\]|\0/.test(value) &&
    value.split(/[/\\]/).every((segment) => segment !== "..")
  );
}

/** Whether a value is an exact version of Node, or absent. */
export function isNodeVersion(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === "string" && /^\d+\.\d+\.\d+$/.test(value));
}
