/** What is shown in place of a value that the answer has no room for. */
export const OMITTED = "<omitted: too large>";

/** So many bytes of JSON are shown of one value. */
const MAX_VALUE_BYTES = 16 * 1024;

/**
 * Shows an offending value back to the caller: as JSON, whatever it was, and never more of it than the answer has
 * room for. A hostile body could otherwise have its nested parts repeated at every level.
 */
export class Echo {
  #room: number;
  /** What may be spent on values that turn out to be too large. */
  #tries: number;
  #left = 0;

  /** @param room how many bytes of JSON all echoes of one answer may take together. */
  constructor(room: number = 32 * 1024) {
    this.#room = room;
    this.#tries = 8 * room;
  }

  show(value: unknown): unknown {
    const room = Math.min(this.#room, MAX_VALUE_BYTES, this.#tries);
    this.#left = room;
    try {
      const shown = this.#copy(value);
      this.#room -= room - this.#left;
      return shown;
    } catch (error) {
      if (error !== NO_ROOM) throw error;
      this.#tries -= room;
      return OMITTED;
    }
  }

  #copy(value: unknown): unknown {
    this.#take(1);
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return Number.isFinite(value) ? this.#number(value) : this.#text(String(value));
      case "boolean":
        this.#take(5);
        return value;
      case "object":
        return value === null ? null : this.#structure(value);
      case "undefined":
        return null;
      default:
        return this.#text(String(value)); // bigint, symbol, function
    }
  }

  #number(value: number): number {
    this.#take(String(value).length);
    return value;
  }

  #text(text: string): string {
    if (text.length > this.#left) throw NO_ROOM;
    const shown = text.replaceAll(LONE_SURROGATE, "?");
    this.#take(Buffer.byteLength(JSON.stringify(shown)));
    return shown;
  }

  #structure(value: object): unknown {
    this.#take(2);
    if (ArrayBuffer.isView(value)) return this.#text(`<binary ${value.byteLength} bytes>`);
    if (Array.isArray(value)) {
      if (value.length > this.#left) throw NO_ROOM;
      return value.map((item) => this.#copy(item));
    }
    if (value instanceof Date)
      return this.#text(Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString());
    const copy: [string, unknown][] = [];
    const fields = value as Readonly<Record<string, unknown>>;
    for (const key of Object.keys(fields)) {
      if (fields[key] !== undefined) copy.push([this.#text(key), this.#copy(fields[key])]);
    }
    return Object.fromEntries(copy);
  }

  #take(bytes: number): void {
    if ((this.#left -= bytes) < 0) throw NO_ROOM;
  }
}

const NO_ROOM = new Error("no room");
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
