import type { IncomingMessage } from "node:http";
import { InputValidationError } from "../../errors.ts";
import { matchesType } from "../../routes/content-types.ts";
import { isEncoded, sentType, shown } from "./body-cause.ts";

/** A body as its method gets it. */
export interface ReadBody {
  readonly input: unknown;
  /** The memory that it takes, in bytes. */
  readonly bytes: number;
  /** Frees what belongs to the body, such as temporary files. Called once, when the call is answered. */
  readonly release?: () => void;
}

/** Called once, with the body or the error to answer with. */
export type OnRead = (error: unknown, body?: ReadBody) => void;

/** Reads the body of a request to one route. Does not throw. */
export type BodyReader = (request: IncomingMessage, onRead: OnRead) => void;

/** The length that a request declares; NaN if it declares none. */
export function declaredLength({ headers }: IncomingMessage): number {
  const text = headers["content-length"];
  return text === undefined ? (headers["transfer-encoding"] === undefined ? 0 : NaN) : Number(text);
}

/**
 * Checks the content type and encoding of a body that is not JSON.
 * @param accepted undefined for any type
 * @throws InputValidationError that names the cause
 */
export function assertContentType(request: IncomingMessage, accepted: readonly string[] | undefined): void {
  if (isEncoded(request)) {
    const encoding = shown(request.headers["content-encoding"]);
    throw contentTypeError(
      ["body"],
      `the body's content-encoding is ${encoding}, send it unencoded`,
      accepted,
    );
  }
  if (accepted === undefined) return;
  const sent = sentType(request);
  if (matchesType(accepted, sent)) return;
  const cause =
    sent === undefined ? "the body has no content type" : `the body's content type is ${shown(sent)}`;
  throw contentTypeError(["body"], `${cause}, send it as ${listed(accepted)}`, accepted);
}

/** The error for content of a wrong type. */
function contentTypeError(
  loc: (string | number)[],
  cause: string,
  accepted: readonly string[] | undefined,
): InputValidationError {
  return new InputValidationError([contentTypeIssue(loc, cause, accepted)]);
}

/** The issue of a file or body of a wrong type. */
export function contentTypeIssue(
  loc: (string | number)[],
  cause: string,
  accepted: readonly string[] | undefined,
) {
  const msg = `Input should have an accepted content type; ${cause}`;
  const ctx = accepted === undefined ? {} : { ctx: { expected: listed(accepted) } };
  return { type: "content_type", loc, msg, input: null, ...ctx };
}

/** `image/png, image/jpeg or image/webp`. */
export function listed(types: readonly string[]): string {
  const [last = "", ...others] = types.toReversed();
  return others.length === 0 ? last : `${others.toReversed().join(", ")} or ${last}`;
}
