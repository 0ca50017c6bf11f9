import type { Credentials } from "../target/credentials.ts";

/** Maximum length of a foreign message, in characters. */
const MAX_LENGTH = 2_000;

/** Turns foreign text into one line that is safe to print: without control characters and without the key. */
export function plainLine(text: string, credentials?: Credentials): string {
  const safe = credentials === undefined ? text : credentials.secret.removeFrom(text);
  const line = safe
    .replaceAll(/\u001b\[[0-?]*[ -/]*[@-~]/g, "")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "")
    .trim();
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
}

/** Like {@link plainLine}, with one full stop at the end. */
export function plainSentence(text: string, credentials?: Credentials): string {
  const line = plainLine(text, credentials);
  return line === "" || /[.!?…]$/.test(line) ? line : `${line}.`;
}

/**
 * Copies name, message and code of an error, to use it as a cause. Other properties, such as the headers that a library
 * attaches, would be printed with it.
 */
export function plainCause(error: unknown, credentials?: Credentials): Error {
  const message = error instanceof Error ? error.message : String(error);
  const cause = new Error(plainLine(message, credentials));
  if (error instanceof Error) {
    cause.name = error.name;
    const inner = error.cause;
    const code =
      "code" in error ? error.code : inner instanceof Error && "code" in inner ? inner.code : undefined;
    if (typeof code === "string" || typeof code === "number") Object.assign(cause, { code });
  }
  return cause;
}
