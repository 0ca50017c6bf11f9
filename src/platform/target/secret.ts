import { inspect } from "node:util";

/** A secret text. It is shown as "…" when printed, logged or converted to JSON. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Returns the secret in plain text. */
  reveal(): string {
    return this.#text;
  }

  /** Replaces the secret in a message by "…", also where it is URL-encoded. */
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
