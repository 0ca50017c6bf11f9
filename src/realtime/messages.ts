import { answerFor, fitText } from "../answers.ts";
import { FieldException, InputValidationError } from "../errors.ts";

// Control messages are text frames of compact JSON, independent of the codec.

/** The timing of the result sent last. Times in seconds. */
export function timingsMessage(timing: number, queue: number, batchSize: number): string {
  return message({ type: "x-fal-message", action: "timings", timing, queue, batch_size: batchSize });
}

/** The stream is complete. */
export const END_MESSAGE = message({ type: "x-fal-message", action: "end" });

/** Inputs were dropped without being handled. */
export function droppedInputsMessage(count: number): string {
  return message({ type: "x-fal-message", action: "dropped", count });
}

/** The session ends by the idle timeout. */
export const TIMEOUT_MESSAGE = message({
  type: "x-fal-error",
  error: "TIMEOUT",
  reason: "no inputs, reconnect when needed!",
});

/** The session ends because of an error. */
export function failureMessage(error: unknown): string {
  return message({ type: "x-fal-error", error: "INTERNAL_ERROR", reason: fitText(reasonOf(error)) });
}

/** A short text for the caller. Only errors raised for the caller, or about its input, show their message. */
function reasonOf(error: unknown): string {
  if (error instanceof InputValidationError) return error.message;
  if (error instanceof FieldException) return `${error.field}: ${error.message}`;
  const { detail } = answerFor(error).body;
  return typeof detail === "string" ? detail : JSON.stringify(detail);
}

function message(value: object): string {
  return JSON.stringify(value);
}
