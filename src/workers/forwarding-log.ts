import { createRequire } from "node:module";
import type * as Pino from "pino";
import type { PinoLevel, LogMessage } from "./protocol.ts";

const require = createRequire(import.meta.url);

/** Makes pino set the level of each line on its stream. */
const METADATA: unique symbol = Symbol.for("pino.metadata");

/** The logger of a worker: a pino logger, created on first use, whose lines are sent to the main process. */
export class ForwardingLog {
  readonly #send: (message: LogMessage) => void;
  #level: string;
  #logger: Pino.Logger | undefined;

  constructor(level: string, send: (message: LogMessage) => void) {
    this.#level = level;
    this.#send = send;
  }

  get logger(): Pino.Logger {
    return (this.#logger ??= this.#create());
  }

  /** Lines below this level are not sent. */
  set level(level: string) {
    this.#level = level;
    if (this.#logger !== undefined) this.#logger.level = level;
  }

  #create(): Pino.Logger {
    const { pino } = require("pino") as typeof Pino;
    const send = this.#send;
    const stream = {
      [METADATA]: true,
      lastLevel: 30,
      write(line: string): void {
        const { level: _, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
        const level = pino.levels.labels[this.lastLevel] as PinoLevel;
        send({ type: "log", level, fields, text: msg === undefined ? undefined : String(msg) });
      },
    };
    return pino({ level: this.#level, base: null, timestamp: false }, stream);
  }
}
