import { createParser } from "eventsource-parser";

/** One event of a stream of server-sent events. */
export interface ServerSentEvent {
  /** The type; "message" by default. */
  readonly event: string;
  readonly data: string;
}

/** Maximum length of a line and of the data of an event, in characters. */
const MAX_LINE = 16 * 2 ** 20;

/** Parses server-sent events and yields each when it is complete. Errors of the body are thrown unchanged. */
export async function* serverSentEvents(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const events: ServerSentEvent[] = [];
  const parser = createParser({
    maxBufferSize: MAX_LINE,
    onEvent: ({ event = "message", data }) => events.push({ event, data }),
    onError({ type }) {
      if (type === "max-buffer-size-exceeded") throw new Error("an event of the stream is too long");
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* events.splice(0);
  }
}
