import { BodyError, InputValidationError, type ValidationIssue } from "../../../errors.ts";
import type { UploadField } from "../../../routes/body-kind.ts";
import { shown } from "../body-cause.ts";
import { contentTypeIssue } from "../body-reader.ts";
import { repeated } from "../field-values.ts";

/** The error of a body that ends early, or is not multipart. */
export function broken(): BodyError {
  return new BodyError("BODY_UNREADABLE", "the multipart body is broken or incomplete");
}

/** The error of a file that is too large. */
export function tooLarge(name: string, { maxBytes = 0, media }: UploadField): Error {
  if (media !== undefined) {
    const msg = `The file may have at most ${maxBytes} bytes`;
    const issue = {
      type: "file_too_large",
      loc: ["body", name],
      msg,
      input: null,
      ctx: { max_size: maxBytes },
    };
    return new InputValidationError([issue]);
  }
  return new BodyError("BODY_TOO_LARGE", `the file ${shown(name)} may have at most ${maxBytes} bytes`);
}

/** The issue of a file that is too short. */
export function tooShort(name: string, { minBytes = 0 }: UploadField): ValidationIssue {
  const msg = `Data should have at least ${minBytes} byte${minBytes === 1 ? "" : "s"}`;
  return { type: "bytes_too_short", loc: ["body", name], msg, input: null, ctx: { min_length: minBytes } };
}

/** The issue of too many files. */
export function tooMany(name: string, { isList, maxFiles }: UploadField): ValidationIssue {
  if (!isList) return repeated(name, 2);
  const msg = `List should have at most ${maxFiles} item${maxFiles === 1 ? "" : "s"}`;
  return {
    type: "too_long",
    loc: ["body", name],
    msg,
    input: null,
    ctx: { field_type: "List", max_length: maxFiles },
  };
}

/** The issue of a part in an encoding. */
export function encodingIssue(name: string, encoding: string): ValidationIssue {
  const cause = `the part's content-transfer-encoding is ${shown(encoding)}, send it unencoded`;
  return contentTypeIssue(["body", name], cause, undefined);
}

/** The issue of a missing file. */
export function missing(name: string): ValidationIssue {
  return { type: "missing", loc: ["body", name], msg: "Field required", input: null };
}
