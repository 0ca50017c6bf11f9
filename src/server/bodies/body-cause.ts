import type { IncomingMessage } from "node:http";
import { AppException, BodyError, InputValidationError } from "../../errors.ts";

/** Maximum number of characters of a client's value in a message. */
const MAX_SHOWN = 100;

/** Whether the request's body is marked as compressed. Bodies are not decompressed. */
export function isEncoded({ headers }: IncomingMessage): boolean {
  const encoding = headers["content-encoding"];
  return encoding !== undefined && !/^\s*(?:identity)?\s*$/i.test(encoding);
}

/** Adds to the refusal of a body why it was not read as JSON, if the request's headers show the reason. */
export function withBodyCause(error: unknown, request: IncomingMessage, wasParsed: boolean): unknown {
  const cause = wasParsed ? charsetCause(request) : typeCause(request);
  if (cause === undefined) return error;
  if (error instanceof BodyError && error.code === "BODY_UNREADABLE") {
    return new AppException(`${error.message}: ${cause}`, 400);
  }
  if (!(error instanceof InputValidationError)) return error;
  return new InputValidationError(error.issues.map((issue) => ({ ...issue, msg: `${issue.msg}; ${cause}` })));
}

function typeCause(request: IncomingMessage): string {
  if (isEncoded(request)) {
    return `the body's content-encoding is ${shown(request.headers["content-encoding"])}, send it unencoded`;
  }
  const type = sentType(request);
  if (type === undefined) return "the body has no content type, send it as application/json";
  return `the body's content type is ${shown(type)}, send it as application/json`;
}

function charsetCause(request: IncomingMessage): string | undefined {
  const charset = /;[ \t]*charset[ \t]*=[ \t]*"?([^\s";]+)/i.exec(sentType(request) ?? "")?.[1];
  if (charset === undefined || /^(?:utf-?8|us-ascii|ascii)$/i.test(charset)) return undefined;
  return `the body's charset is ${shown(charset)}, send it in UTF-8`;
}

/** The content type as it was sent: an invalid one was replaced before routing. */
export function sentType({ rawHeaders }: IncomingMessage): string | undefined {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === "content-type") return rawHeaders[index + 1];
  }
  return undefined;
}

/** Quotes a value of the client for a message, shortened. */
export function shown(value: string | undefined): string {
  return JSON.stringify((value ?? "").slice(0, MAX_SHOWN));
}
