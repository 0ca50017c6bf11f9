import { FieldException } from "../../../errors.ts";
import { ServeWrapper } from "../../../servable/serve-wrapper.ts";
import { encodeThrown } from "../../../processes/thrown-codec.ts";
import { CALL_FORMAT, packed, unpacked, type CallAnswer, type CallBody } from "./call-protocol.ts";
import type { ServerSettings } from "./container-layout.ts";
import type { FunctionWorkers } from "./function-workers.ts";

const CALL = {
  $id: "Call",
  type: "object",
  required: ["format", "args"],
  properties: {
    format: { type: "integer", description: "The version of this form." },
    args: {
      type: "string",
      description: "The arguments: a list in the form of structured clone, in base64.",
    },
  },
};
const ANSWER = {
  $id: "CallAnswer",
  type: "object",
  properties: {
    result: { type: "string", description: "The function's result, in the same form." },
    thrown: { type: "string", description: "The encoded error, in the same form." },
  },
};

/** The used part of a request's context. */
interface Caller {
  /** Aborted when the caller has left or the time limit is reached. */
  readonly signal: AbortSignal;
}

/** Serves the calls of a function at `POST /`. */
export function callServable(
  { functionName }: ServerSettings,
  workers: Pick<FunctionWorkers, "call">,
): ServeWrapper<never> {
  const call = async ({ format, args }: CallBody, { signal }: Caller): Promise<CallAnswer> => {
    const list = readArguments(format, args);
    try {
      return { result: packed(await workers.call(list, signal), `the result of ${functionName}`) };
    } catch (error) {
      // For a cancelled call, the server itself responds.
      if (signal.aborted) throw error;
      return { thrown: packed(encodeThrown(error)) };
    }
  };
  Object.defineProperty(call, "name", { value: functionName.replace(/\(\)$/, "") });
  return new ServeWrapper(call as never, { input: CALL, output: ANSWER } as never);
}

function readArguments(format: number, args: string): readonly unknown[] {
  if (format !== CALL_FORMAT) {
    throw new FieldException("format", `This server knows format ${CALL_FORMAT}, not ${format}.`);
  }
  try {
    const list = unpacked(args);
    if (Array.isArray(list)) return list;
  } catch {
    // handled like a value that is not a list
  }
  throw new FieldException("args", "The arguments are not a list in the form of structured clone.");
}
