import { stripVTControlCharacters } from "node:util";
import { withoutControls } from "../../../output/visible-text.ts";

/** Shows the progress of an installation, which begins with `start` and ends with `done` or `failed`. */
export interface InstallProgress {
  /** Begins to show an install. @param title what is installed, such as "cowsay@1.6.0" */
  start(title: string): void;
  /** Shows the current activity. */
  log(line: string): void;
  /** Ends the display. If the stream is not a terminal, it gets a line about an installation that took long. */
  done(): void;
  /** Ends the display. The error itself is reported elsewhere. */
  failed(): void;
}

/** The parts of a stream that a progress display needs. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Interval at which the line on a terminal is redrawn, in milliseconds. */
const FRAME_MS = 100;

/** Minimum time of an installation to be shown, in milliseconds: on a terminal, and elsewhere. */
const SHOWN_AFTER_MS = { terminal: 300, lines: 2000 } as const;

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;
const ERASE_LINE = "\r\u001B[2K";

interface Running {
  readonly title: string;
  readonly since: number;
  doing: string;
}

/**
 * A display of an install. On a terminal it is one line, which is redrawn and erased in the end; several installs share
 * it. Elsewhere, an installation that takes longer than 2 s gets one line then and another at its end. The display does
 * not keep the process alive.
 */
export function createInstallProgress(stream: ProgressStream = process.stderr): InstallProgress {
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
      running = { title, since: performance.now(), doing: "" };
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
    const doing = this.#running.size > 1 || first.doing === "" ? "" : ` · ${first.doing}`;
    const text = `${frame} installing ${titles} · ${Math.floor(elapsedMs / 1000)} s${doing}`;
    // A line that wraps could not be erased.
    this.#stream.write(
      `${ERASE_LINE}${[...text].slice(0, Math.max(10, (this.#stream.columns ?? 80) - 1)).join("")}`,
    );
    this.#isDrawn = true;
  }
}

class LineDisplay implements Display {
  readonly #stream: ProgressStream;
  readonly #timers = new Map<Running, NodeJS.Timeout>();
  readonly #shown = new WeakSet<Running>();

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  add(running: Running): void {
    const show = (): void => {
      this.#shown.add(running);
      this.#stream.write(`servable: installing ${running.title} …\n`);
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
    this.#stream.write(`servable: installed ${running.title} in ${seconds} s\n`);
  }
}
