import { Readable } from "node:stream";
import { BodyError, InputValidationError } from "../../errors.ts";
import type { BodyTimes, BytesBody } from "../../routes/body-kind.ts";
import { Arrival, type ArrivalWatch } from "./arrival.ts";
import { assertContentType, declaredLength, type BodyReader } from "./body-reader.ts";

/** Creates the reader of a body of bytes that the handler reads while it arrives. */
export function createStreamReader(parts: {
  readonly body: BytesBody & { readonly times: BodyTimes };
  readonly limitBytes: number;
  readonly watch: ArrivalWatch;
}): BodyReader {
  const { body, limitBytes, watch } = parts;
  const { contentTypes, minBytes = 0 } = body.rule;
  return (request, onRead) => {
    try {
      assertContentType(request, contentTypes);
      if (declaredLength(request) > limitBytes) throw new BodyError("BODY_TOO_LARGE");
    } catch (error) {
      return onRead(error);
    }
    let received = 0;
    let isOver = false;
    const stream = new Readable({
      read: () => {
        arrival.isPaused = false;
        if (!isOver) request.resume();
      },
    });
    stream.on("error", () => {}); // an error that no handler listens to would end the process
    const end = (error?: Error): void => {
      if (isOver) return;
      isOver = true;
      arrival.end();
      request.removeListener("data", take);
      request.removeListener("end", complete);
      request.resume(); // discards the rest
      if (error === undefined) stream.push(null);
      else stream.destroy(error);
    };
    const take = (chunk: Buffer): void => {
      received += chunk.length;
      if (received > limitBytes) return end(new BodyError("BODY_TOO_LARGE"));
      if (stream.destroyed || stream.push(chunk)) return;
      request.pause();
      arrival.isPaused = true;
    };
    const complete = (): void => {
      end(received < minBytes ? tooShort(minBytes) : undefined);
    };
    const arrival = new Arrival(request, body.times, watch, end);
    arrival.isPaused = true; // until the handler reads
    request.pause();
    request.on("data", take);
    request.on("end", complete);
    onRead(undefined, { input: stream, bytes: 0, release: () => end(new BodyError("BODY_UNREADABLE")) });
  };
}

function tooShort(minBytes: number): InputValidationError {
  const msg = `Data should have at least ${minBytes} byte${minBytes === 1 ? "" : "s"}`;
  const ctx = { min_length: minBytes };
  return new InputValidationError([{ type: "bytes_too_short", loc: ["body"], msg, input: null, ctx }]);
}
