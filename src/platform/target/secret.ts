import { inspect } from "node:util";

/** A text that shows itself to nobody who does not ask for it: printed, logged or turned into JSON it is "…". */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself, for the one place that sends it. */
  reveal(): string {
    return this.#text;
  }

  /** A message of somebody else's without the secret in it, whole or encoded for a URL. */
  removeFrom(message: string): string {
    const forms = new Set([this.#text, encodeURIComponent(this.#text)]);
    let cleaned = message;
    for (const form of forms) if (form !== "") cleaned = cleaned.replaceAll(form, "…");
    return cleaned;
  }

  toString(): string {
    return "…";
  }

  toJSON(): string {
    return "…";
  }

  [inspect.custom](): string {
    return "Secret(…)";
  }
}
