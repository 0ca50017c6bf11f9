import { StringDecoder } from "node:string_decoder";
import { END_OF_RUN, OUT_OF_MEMORY } from "../../functions/runner/protocol.ts";

/** A line without an end is told when it has so many characters. */
const MAX_LINE = 64 * 1024;

/** A runner's own words, which end their line. */
const MARK = new RegExp(`(${END_OF_RUN}|${OUT_OF_MEMORY})(\\d+)$`);
/** No mark is longer. */
const MAX_MARK = 64;

/** Whom to tell what a stream brings. */
export interface LineListener {
  onLine(line: string): void;
  /** The output of the run with that number is complete. */
  onEndOfRun(id: number): void;
  /** The process is about to end itself: it has so many bytes of memory. */
  onOutOfMemory(bytes: number): void;
}

/** Cuts what a process prints into lines, and takes the runner's own marks out of it. */
export class OutputLines {
  readonly #listener: LineListener;
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";

  constructor(listener: LineListener) {
    this.#listener = listener;
  }

  write(chunk: Buffer): void {
    this.#rest += this.#decoder.write(chunk);
    let start = 0;
    for (let end = this.#rest.indexOf("\n"); end !== -1; end = this.#rest.indexOf("\n", start)) {
      this.#tell(this.#rest.slice(start, end).replace(/\r$/, ""));
      start = end + 1;
    }
    this.#rest = this.#rest.slice(start);
    if (this.#rest.length > MAX_LINE) this.#cut();
  }

  /** The stream has ended. */
  end(): void {
    const last = this.#rest + this.#decoder.end();
    this.#rest = "";
    if (last !== "") this.#tell(last);
  }

  /** Tells what there is of a line that is too long. A mark at its end may have come in part only. */
  #cut(): void {
    const mark = this.#rest.lastIndexOf("\u0000");
    const end = mark > this.#rest.length - MAX_MARK ? mark : this.#rest.length;
    this.#listener.onLine(this.#rest.slice(0, end));
    this.#rest = this.#rest.slice(end);
  }

  #tell(line: string): void {
    const [mark, kind = "", number = ""] = MARK.exec(line) ?? [];
    if (mark === undefined) return this.#listener.onLine(line);
    // What stands before it was printed without a line feed.
    if (mark !== line) this.#listener.onLine(line.slice(0, -mark.length));
    if (kind === END_OF_RUN) this.#listener.onEndOfRun(Number(number));
    else this.#listener.onOutOfMemory(Number(number));
  }
}
