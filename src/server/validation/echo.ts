/**
 * Shows an offending value back to the caller: as JSON, whatever it was, and never more of it than the answer has
 * room for. A hostile body could otherwise have its nested parts repeated at every level.
 */
export class Echo {
  #room: number;

  /** @param room about how many characters all echoes of one answer may take together. */
  constructor(room: number = 1 << 20) {
    this.#room = room;
  }

  show(value: unknown): unknown {
    try {
      return this.#copy(value);
    } catch (error) {
      if (error === NO_ROOM) return "<omitted: too large>";
      throw error;
    }
  }

  #copy(value: unknown): unknown {
    if ((this.#room -= 8) < 0) throw NO_ROOM;
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return Number.isFinite(value) ? value : String(value);
      case "boolean":
        return value;
      case "object":
        return value === null ? null : this.#structure(value);
      case "undefined":
        return null;
      default:
        return this.#text(String(value)); // bigint, symbol, function
    }
  }

  #text(text: string): string {
    if ((this.#room -= text.length) < 0) throw NO_ROOM;
    return text.replaceAll(LONE_SURROGATE, "?");
  }

  #structure(value: object): unknown {
    if (ArrayBuffer.isView(value)) return `<binary ${value.byteLength} bytes>`;
    if (Array.isArray(value)) return value.map((item) => this.#copy(item));
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [this.#text(key), this.#copy(item)]),
    );
  }
}

const NO_ROOM = new Error("no room");
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
