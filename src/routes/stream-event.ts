const BRAND: unique symbol = Symbol.for("servable.stream-event");

/** The fields of a server-sent event: see {@link event}. */
export interface EventFields<Data> {
  /** The name of the event, which clients subscribe to. Default: none, which clients call "message". */
  readonly event?: string;
  /** Sent as JSON, or with {@link raw} as it is. Clients ignore an event without data, except its `id` and `retry`. */
  readonly data?: Data | StreamEvent<never>;
  /** The position in the stream. A browser that connects again sends the last one as `last-event-id`. */
  readonly id?: string;
  /** Time after which a browser connects again, in ms. */
  readonly retry?: number;
}

/** An item of a stream with the fields of a server-sent event: see {@link event} and {@link raw}. */
export class StreamEvent<Data> {
  /** The lines before the data, each with its end. */
  readonly head: string;
  /** The value that is sent as JSON; undefined if there is none. */
  readonly data: Data | undefined;
  /** The text that is sent as it is; undefined if there is none. */
  readonly text: string | undefined;

  constructor(head: string, data: Data | undefined, text: string | undefined) {
    this.head = head;
    this.data = data;
    this.text = text;
  }

  /** Marks the class for other copies of this package. */
  get [BRAND](): true {
    return true;
  }
}

/** Whether an item of a stream is the result of {@link event} or {@link raw}, also of another copy of this package. */
export function isStreamEvent(item: unknown): item is StreamEvent<unknown> {
  return typeof item === "object" && item !== null && BRAND in item;
}

/**
 * An item of a stream with the fields of a server-sent event. With an `output` schema, `data` is checked.
 *
 * @example
 * ```ts
 * yield event({ event: "progress", data: { done: 3, of: 10 }, id: "3" });
 * ```
 * @throws TypeError for an unknown or invalid field
 */
export function event(fields: EventFields<never> & { readonly data: StreamEvent<never> }): StreamEvent<never>;
export function event<Data = never>(fields: EventFields<Data>): StreamEvent<Data>;
export function event<Data>(fields: EventFields<Data>): StreamEvent<Data> {
  const { event: name, data, id, retry } = checkedFields(fields);
  let head = "";
  if (name !== undefined) head += `event: ${name}\n`;
  if (id !== undefined) head += `id: ${id}\n`;
  if (retry !== undefined) head += `retry: ${retry}\n`;
  return isStreamEvent(data)
    ? new StreamEvent<Data>(head, undefined, data.text)
    : new StreamEvent(head, data, undefined);
}

/**
 * An item of a stream that is sent as it is, without JSON and without a check. Each line of the text becomes a line of
 * the same event.
 *
 * @example
 * ```ts
 * yield raw("[DONE]");
 * ```
 * @throws TypeError if it is not a text
 */
export function raw(text: string): StreamEvent<never> {
  if (typeof text !== "string") throw new TypeError(`raw() takes a text, got ${shown(text)}.`);
  return new StreamEvent<never>("", undefined, text);
}

const NAMES: readonly string[] = ["event", "data", "id", "retry"] satisfies (keyof EventFields<unknown>)[];
const LINE_BREAK = /[\r\n]/;

function checkedFields<Data>(fields: EventFields<Data>): EventFields<Data> {
  if (typeof fields !== "object" || fields === null) {
    throw new TypeError(`event() takes an object such as { event: "progress", data }, got ${shown(fields)}.`);
  }
  const unknown = Object.keys(fields).find((name) => !NAMES.includes(name));
  if (unknown !== undefined)
    throw new TypeError(`event(): unknown field "${unknown}"; known: ${NAMES.join(", ")}.`);
  const { event: name, data, id, retry } = fields;
  if (name !== undefined) {
    if (typeof name !== "string" || name === "" || LINE_BREAK.test(name))
      throw new TypeError(`event(): event must be a name in one line, got ${shown(name)}.`);
    if (data === undefined)
      throw new TypeError(`event(): "${name}" has no data; clients would ignore the event.`);
  }
  if (id !== undefined && (typeof id !== "string" || LINE_BREAK.test(id) || id.includes("\0")))
    throw new TypeError(`event(): id must be a text in one line without NUL, got ${shown(id)}.`);
  if (retry !== undefined && !(Number.isSafeInteger(retry) && retry >= 0))
    throw new TypeError(`event(): retry must be a whole number of ms from 0 on, got ${shown(retry)}.`);
  if (isStreamEvent(data) && (data.text === undefined || data.head !== ""))
    throw new TypeError("event(): data must be a value or raw(…), not another event().");
  if (data === undefined && id === undefined && retry === undefined)
    throw new TypeError("event(): give it data, an id or a retry.");
  return fields;
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
