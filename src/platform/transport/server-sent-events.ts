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
  let event = "";
  let data: string[] = [];
  let length = 0;
  for await (const line of linesOf(body)) {
    if (line === "") {
      if (data.length > 0) yield { event: event === "" ? "message" : event, data: data.join("\n") };
      event = "";
      data = [];
      length = 0;
      continue;
    }
    const [, field, value = ""] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? [];
    if (field === "event") event = value;
    if (field !== "data") continue;
    length += value.length + 1;
    if (length > MAX_LINE) throw new Error("an event of the stream is too long");
    data.push(value);
  }
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    // A "\r" at the end may be the first half of "\r\n".
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE) throw new Error("a line of the stream is too long");
    yield* lines;
  }
}
