import { StringDecoder } from "node:string_decoder";
import { END_OF_RUN, OUT_OF_MEMORY } from "../../functions/runner/protocol.ts";

/** Maximum length of a line, in characters; a longer one is split. */
const MAX_LINE = 64 * 1024;

/** A mark that the runner prints at the end of a line. */
const MARK = new RegExp(`(${END_OF_RUN}|${OUT_OF_MEMORY})(\\d+)$`);
/** Maximum length of a mark. */
const MAX_MARK = 64;

/** Receives the lines and marks of a stream. */
export interface LineListener {
  onLine(line: string): void;
  /** Called when the output of the run with this id is complete. */
  onEndOfRun(id: number): void;
  /** Called when the process is about to end itself because of its memory use, in bytes. */
  onOutOfMemory(bytes: number): void;
}

/** Splits the output of a process into lines, and removes the runner's marks. */
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

  /** Handles the end of the stream. */
  end(): void {
    const last = this.#rest + this.#decoder.end();
    this.#rest = "";
    if (last !== "") this.#tell(last);
  }

  /**
   * Passes on the start of a line that is too long, but keeps its last characters, which may be the start of a mark.
   */
  #cut(): void {
    const mark = this.#rest.lastIndexOf("\u0000");
    const end = mark > this.#rest.length - MAX_MARK ? mark : this.#rest.length;
    this.#listener.onLine(this.#rest.slice(0, end));
    this.#rest = this.#rest.slice(end);
  }

  #tell(line: string): void {
    const [mark, kind = "", number = ""] = MARK.exec(line) ?? [];
    if (mark === undefined) return this.#listener.onLine(line);
    // Text before the mark was printed without a line feed.
    if (mark !== line) this.#listener.onLine(line.slice(0, -mark.length));
    if (kind === END_OF_RUN) this.#listener.onEndOfRun(Number(number));
    else this.#listener.onOutOfMemory(Number(number));
  }
}
