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
    result: { type: "string", description: "What the function returned, in the same form." },
    thrown: { type: "string", description: "What it threw, taken apart, in the same form." },
  },
};

/** What of a request's context is asked. */
interface Caller {
  /** Aborts when the caller has left, and when the time is up. */
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
      // Nobody hears what becomes of a call whose caller has gone: the server says that in its own way.
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
    // as what is no list
  }
  throw new FieldException("args", "The arguments are not a list in the form of structured clone.");
}
