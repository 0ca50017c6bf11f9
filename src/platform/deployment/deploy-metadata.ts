import type { JsonObject } from "@bufbuild/protobuf";
import { UsageError } from "../../errors.ts";

/** Information about a deployment. */
export interface DeployNotes {
  /** The app's OpenAPI document. */
  readonly openapi?: object | undefined;
  /** The reason for the deployment, at most 2,048 characters. */
  readonly message?: string | undefined;
  /** Further information: plain data. The names of the other fields are reserved. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Annotations: at most 32, with names of at most 64 characters, and at most 16 KiB as JSON. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

const MAX_MESSAGE = 2_048;
const MAX_ANNOTATIONS = 32;
const MAX_KEY = 64;
const MAX_BYTES = 16_384;
const RESERVED: ReadonlySet<string> = new Set(["openapi", "message", "annotations"]);

/**
 * The metadata of a deployment; empty if there is none.
 * @throws UsageError if the message or the annotations exceed a limit, a name is reserved, or a value is not plain
 *   data
 */
export function deployMetadata({
  openapi,
  message,
  annotations,
  metadata: others = {},
}: DeployNotes): JsonObject | undefined {
  if (message !== undefined) checkMessage(message);
  if (annotations !== undefined) checkAnnotations(annotations);
  const taken = Object.keys(others).find((name) => RESERVED.has(name));
  if (taken !== undefined) throw new UsageError(`No metadata may be called "${taken}": the name is taken.`);
  const metadata = {
    ...plain("metadata", others),
    ...(openapi === undefined ? {} : { openapi: plain("openapi", openapi) }),
    ...(message === undefined || message === "" ? {} : { message }),
    ...(annotations === undefined || Object.keys(annotations).length === 0
      ? {}
      : { annotations: { ...annotations } }),
  };
  return Object.keys(metadata).length === 0 ? undefined : metadata;
}

/** A copy without undefined fields, which JSON can't represent. */
function plain(name: string, value: object): JsonObject {
  try {
    return JSON.parse(JSON.stringify(value)) as JsonObject;
  } catch (error) {
    const [reason = ""] = (error as Error).message.split("\n");
    throw new UsageError(`${name} has to be plain data, as JSON has it (${reason}).`, { cause: error });
  }
}

function checkMessage(message: string): void {
  const { length } = [...message];
  if (length <= MAX_MESSAGE) return;
  throw new UsageError(
    `The message of a deployment has ${length} characters; it may have ${MAX_MESSAGE} at most.`,
  );
}

function checkAnnotations(annotations: Readonly<Record<string, string>>): void {
  const entries = Object.entries(annotations);
  if (entries.length > MAX_ANNOTATIONS) {
    throw new UsageError(`There are ${entries.length} annotations; there may be ${MAX_ANNOTATIONS} at most.`);
  }
  for (const [key, value] of entries) {
    if (key === "") throw new UsageError("An annotation has no name.");
    if ([...key].length > MAX_KEY) {
      throw new UsageError(
        `The name of the annotation "${key.slice(0, 20)}…" has ${[...key].length} characters; it may have ${MAX_KEY} at most.`,
      );
    }
    if (RESERVED.has(key)) throw new UsageError(`No annotation may be called "${key}": the name is taken.`);
    if (typeof value !== "string") throw new UsageError(`The annotation "${key}" is not a text.`);
  }
  const bytes = Buffer.byteLength(JSON.stringify(annotations));
  if (bytes > MAX_BYTES) {
    throw new UsageError(`The annotations have ${bytes} bytes as JSON; they may have ${MAX_BYTES} at most.`);
  }
}
