import { stripVTControlCharacters } from "node:util";
import { withoutControls } from "./visible-text.ts";

/** Shows the progress of a task, which begins with `start` and ends with `done` or `failed`. */
export interface Progress {
  /** Begins to show a task. @param title its object, such as "cowsay@1.6.0" */
  start(title: string): void;
  /** Shows the current activity. */
  log(line: string): void;
  /** Ends the display. If the stream is not a terminal, it gets a line about a task that took long. */
  done(): void;
  /** Ends the display. The error itself is reported elsewhere. */
  failed(): void;
}

/** The verbs of a task. */
export interface ProgressVerbs {
  /** Such as "installing". */
  readonly doing: string;
  /** Such as "installed". */
  readonly done: string;
}

/** The parts of a stream that a progress display needs. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Interval at which the line on a terminal is redrawn, in milliseconds. */
const FRAME_MS = 100;

/** Minimum time of a task to be shown, in milliseconds: on a terminal, and elsewhere. */
const SHOWN_AFTER_MS = { terminal: 300, lines: 2000 } as const;

/** Interval of the lines about the activity of a task where there is no terminal, in milliseconds. */
const LINE_MS = 15_000;

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;
const ERASE_LINE = "\r\u001B[2K";

interface Running {
  readonly title: string;
  readonly verbs: ProgressVerbs;
  readonly since: number;
  doing: string;
}

/**
 * A display of a task. On a terminal it is one line, which is redrawn and erased in the end; several tasks share it.
 * Elsewhere, a task that takes longer than 2 s gets one line then, another every 15 s if its activity has changed, and
 * one at its end. The display does not keep the process alive.
 */
export function createProgress(verbs: ProgressVerbs, stream: ProgressStream = process.stderr): Progress {
  const display = displayOf(stream);
  let running: Running | undefined;
  const end = (): Running | undefined => {
    const ended = running;
    running = undefined;
    if (ended !== undefined) display.remove(ended);
    return ended;
  };
  return {
    start(title) {
      end();
      running = { title, verbs, since: performance.now(), doing: "" };
      display.add(running);
    },
    log(line) {
      if (running !== undefined) running.doing = withoutControls(stripVTControlCharacters(line)).trim();
    },
    done() {
      const ended = end();
      if (ended !== undefined) display.sayDone(ended);
    },
    failed() {
      end();
    },
  };
}

interface Display {
  add(running: Running): void;
  remove(running: Running): void;
  sayDone(running: Running): void;
}

const displays = new WeakMap<ProgressStream, Display>();

function displayOf(stream: ProgressStream): Display {
  let display = displays.get(stream);
  if (display === undefined) {
    display = stream.isTTY === true ? new TerminalDisplay(stream) : new LineDisplay(stream);
    displays.set(stream, display);
  }
  return display;
}

class TerminalDisplay implements Display {
  readonly #stream: ProgressStream;
  readonly #running = new Set<Running>();
  #timer: NodeJS.Timeout | undefined;
  #frame = 0;
  #isDrawn = false;

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  add(running: Running): void {
    this.#running.add(running);
    this.#timer ??= setInterval(() => this.#draw(), FRAME_MS).unref();
  }

  remove(running: Running): void {
    this.#running.delete(running);
    if (this.#running.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#isDrawn) this.#stream.write(ERASE_LINE);
    this.#isDrawn = false;
  }

  sayDone(): void {}

  #draw(): void {
    const [first] = this.#running;
    if (first === undefined) return;
    const elapsedMs = performance.now() - first.since;
    if (elapsedMs < SHOWN_AFTER_MS.terminal) return;
    const frame = FRAMES[this.#frame++ % FRAMES.length];
    const titles = [...this.#running].map(({ title }) => title).join("; ");
    const doings = [...new Set([...this.#running].map(({ verbs }) => verbs.doing))].join(" and ");
    const doing = this.#running.size > 1 || first.doing === "" ? "" : ` · ${first.doing}`;
    const text = `${frame} ${doings} ${titles} · ${Math.floor(elapsedMs / 1000)} s${doing}`;
    // A line that wraps could not be erased.
    this.#stream.write(
      `${ERASE_LINE}${[...text].slice(0, Math.max(10, (this.#stream.columns ?? 80) - 1)).join("")}`,
    );
    this.#isDrawn = true;
  }
}

class LineDisplay implements Display {
  readonly #stream: ProgressStream;
  /** The timer of the next line of each task. */
  readonly #timers = new Map<Running, NodeJS.Timeout>();
  readonly #shown = new WeakSet<Running>();

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  add(running: Running): void {
    let last = "";
    const show = (): void => {
      const isFirst = !this.#shown.has(running);
      const { title, verbs, doing } = running;
      if (isFirst || (doing !== "" && doing !== last)) {
        this.#stream.write(`servable: ${verbs.doing} ${title} …${isFirst ? "" : ` ${doing}`}\n`);
      }
      last = doing;
      this.#shown.add(running);
      this.#timers.set(running, setTimeout(show, LINE_MS).unref());
    };
    this.#timers.set(running, setTimeout(show, SHOWN_AFTER_MS.lines).unref());
  }

  remove(running: Running): void {
    clearTimeout(this.#timers.get(running));
    this.#timers.delete(running);
  }

  sayDone(running: Running): void {
    if (!this.#shown.has(running)) return;
    const seconds = ((performance.now() - running.since) / 1000).toFixed(1);
    this.#stream.write(`servable: ${running.verbs.done} ${running.title} in ${seconds} s\n`);
  }
}
