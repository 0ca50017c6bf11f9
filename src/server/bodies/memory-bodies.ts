import { BodyError, OverloadException } from "../../errors.ts";
import type { BodyKind } from "../../routes/body-kind.ts";
import type { ValueLimits } from "../../json/scan.ts";
import type { CompiledSchema } from "../validation/validator.ts";
import { Arrival, type ArrivalWatch } from "./arrival.ts";
import { collectBody, type BodyBounds, type BodyFault } from "./body-collection.ts";
import { assertContentType, declaredLength, type BodyReader } from "./body-reader.ts";
import { type FieldReader, FieldTexts } from "./field-values.ts";

const FORM_TYPE = "application/x-www-form-urlencoded";

/** The parts of a reader that holds bodies in memory. */
interface MemoryReaderParts {
  readonly body: BodyKind;
  readonly schema: CompiledSchema;
  readonly bounds: BodyBounds;
  readonly values: ValueLimits;
  readonly overloadStatus: number;
  readonly watch: ArrivalWatch;
}

/** Creates the reader of a body of bytes. */
export function createBytesReader(parts: MemoryReaderParts): BodyReader {
  const { body, schema } = parts;
  const accepted = body.kind === "bytes" ? body.rule.contentTypes : undefined;
  return createMemoryReader(parts, accepted, (bytes) => schema.accept(ownMemory(bytes)));
}

/** The bytes, copied if they would keep a larger piece of memory alive that they are a small part of. */
function ownMemory(bytes: Buffer): Buffer {
  return bytes.buffer.byteLength > 2 * bytes.length ? Buffer.from(bytes) : bytes;
}

/** Creates the reader of a form. */
export function createFormReader(parts: MemoryReaderParts, fields: FieldReader): BodyReader {
  return createMemoryReader(parts, [FORM_TYPE], (bytes) =>
    fields.read(readPairs(bytes.toString("latin1"), fields, parts.values.maxValues)),
  );
}

function createMemoryReader(
  { body, bounds, overloadStatus, watch }: MemoryReaderParts,
  accepted: readonly string[] | undefined,
  parse: (bytes: Buffer) => unknown,
): BodyReader {
  return (request, onRead) => {
    try {
      assertContentType(request, accepted);
    } catch (error) {
      return onRead(error);
    }
    let isOver = false;
    const finish = (error: unknown, bytes?: Buffer): void => {
      if (isOver) return;
      isOver = true;
      arrival.end();
      if (bytes === undefined) return onRead(error);
      if (!bounds.budget.hasRoom(bytes.length)) return onRead(overloaded(overloadStatus));
      let input: unknown;
      try {
        input = parse(bytes);
      } catch (thrown) {
        return onRead(thrown);
      }
      onRead(undefined, { input, bytes: bytes.length });
    };
    const arrival = new Arrival(request, body.times, watch, (error) => {
      finish(error);
      collection?.giveUp();
    });
    const collection = collectBody(request, declaredLength(request), bounds, (fault, bytes) => {
      if (fault === undefined) finish(undefined, bytes);
      else finish(faultError(fault, overloadStatus));
    });
  };
}

function faultError(fault: BodyFault, overloadStatus: number): Error {
  return fault === "OVERLOADED" ? overloaded(overloadStatus) : new BodyError(fault);
}

/** The refusal of a body for which there is no memory or disk space at the moment. */
export function overloaded(status: number): OverloadException {
  return new OverloadException(
    "Too much is being sent at a time; try again later.",
    status,
    1_000,
    "OVERLOADED",
  );
}

/** Reads the pairs of a form. Names that are not declared are dropped. */
function readPairs(text: string, fields: FieldReader, maxPairs: number): FieldTexts {
  const texts = new FieldTexts();
  let pairs = 0;
  for (let start = 0; start <= text.length;) {
    const next = text.indexOf("&", start);
    const end = next < 0 ? text.length : next;
    if (end > start) {
      if (++pairs > maxPairs) throw new BodyError("BODY_TOO_COMPLEX");
      const equals = text.indexOf("=", start);
      const nameEnd = equals < 0 || equals > end ? end : equals;
      const name = decoded(text.slice(start, nameEnd));
      if (fields.has(name)) texts.add(name, decoded(text.slice(Math.min(nameEnd + 1, end), end)));
    }
    start = end + 1;
  }
  return texts;
}

/** Decodes `+` and percent escapes. @throws BodyError for a text that is not UTF-8 */
function decoded(text: string): string {
  // Bytes above 127 should be escaped; those that are not, are read as the UTF-8 that they are.
  const plain = /[\u0080-\u00ff]/.test(text) ? text.replaceAll(/[\u0080-\u00ff]/g, escapeByte) : text;
  try {
    return decodeURIComponent(plain.replaceAll("+", " "));
  } catch {
    throw new BodyError("BODY_UNREADABLE", "the form has an invalid percent escape");
  }
}

function escapeByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16)}`;
}
