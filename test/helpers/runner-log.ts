import type { IncomingMessage, ServerResponse } from "node:http";

/** One line of the log, as the REST API returns it. */
export interface LoggedLine {
  readonly timestamp: string;
  readonly level: string;
  readonly message: string;
}

/** A line of the log, at the given second after its start. */
export function lineAt(second: number, message = `line ${second}`, level = "info"): LoggedLine {
  return { timestamp: new Date(START + second * 1_000).toISOString(), level, message };
}

/** The start of the tests' runner: all lines are later. */
export const START: number = Date.parse("2026-01-31T12:00:00Z");

/** A received request. */
export interface LogRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
}

/**
 * The REST API for one runner, "r-1", and its log. Pass `listener` to a control plane. Only the id of the runner is
 * checked.
 */
export class RunnerLogServer {
  /** The log so far, the oldest line first. */
  readonly lines: LoggedLine[];
  readonly requests: LogRequest[] = [];
  endedAt: string | undefined;
  /** Whether the end time of a page is inclusive. */
  isInclusive = false;
  /** The maximum number of lines of a page, whatever the request asks for. */
  maxPage = 1_000;
  /** Called for each request before it is answered; returns true if it answered the request. */
  intercept: (request: LogRequest, response: ServerResponse) => boolean = () => false;
  readonly #streams = new Set<ServerResponse>();
  readonly #waiting = new Set<() => void>();

  constructor(lines: readonly LoggedLine[] = []) {
    this.lines = [...lines];
  }

  readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    const { pathname: path, searchParams } = new URL(request.url ?? "", "http://rest.test");
    const logged = { path: `${request.method ?? ""} ${path}`, query: Object.fromEntries(searchParams) };
    this.requests.push(logged);
    if (!this.intercept(logged, response)) this.#answer(logged, response);
    for (const check of this.#waiting) check();
  };

  /** The queries to one path, in order. */
  queries(path: string): Readonly<Record<string, string>>[] {
    return this.requests.filter((request) => request.path === path).map(({ query }) => query);
  }

  /** Resolves once a path was requested `count` times. */
  async asked(path: string, count = 1): Promise<void> {
    if (this.queries(path).length >= count) return;
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (this.queries(path).length < count) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
  }

  /** Writes lines to the log, and to the open streams. */
  write(...lines: readonly LoggedLine[]): void {
    this.lines.push(...lines);
    for (const line of lines) this.send(eventOf(line));
  }

  /** Sends a text to the open streams. */
  send(text: string): void {
    for (const stream of this.#streams) stream.write(text);
  }

  /** Ends the streams normally. */
  endStreams(): void {
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  /** Aborts the streams after their pending data is sent. */
  abortStreams(): void {
    for (const stream of this.#streams) stream.write(": aborted\n\n", () => stream.destroy());
    this.#streams.clear();
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  #answer({ path, query }: LogRequest, response: ServerResponse): void {
    if (path === "GET /runners/r-1") {
      return json(response, { started_at: new Date(START).toISOString(), ended_at: this.endedAt ?? null });
    }
    const isKnown = query["job_id"] === "r-1";
    if (path === "POST /logs/history" && isKnown) return json(response, this.#page(query));
    if (path === "POST /logs/stream" && isKnown) return this.#stream(query, response);
    json(response, { detail: "Not Found" }, 404);
  }

  #page(query: Readonly<Record<string, string>>): unknown {
    const size = Math.min(Number(query["page_size"]), this.maxPage);
    const until = timeOf(query["until"], Infinity);
    const lines = this.#matching(query).filter(({ timestamp }) => {
      const time = timeOf(timestamp, 0);
      return time < until || (this.isInclusive && time === until);
    });
    const items = lines.slice(-size).toReversed();
    return { items, next_until: lines.length > size ? items.at(-1)?.timestamp : null };
  }

  #stream(query: Readonly<Record<string, string>>, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    response.write(": hello\n\n");
    for (const line of this.#matching(query)) response.write(eventOf(line));
    this.#streams.add(response);
    response.once("close", () => this.#streams.delete(response));
  }

  #matching({ since, search = "" }: Readonly<Record<string, string>>): LoggedLine[] {
    const from = timeOf(since, -Infinity);
    return this.lines.filter(
      ({ timestamp, message }) => timeOf(timestamp, 0) >= from && message.includes(search),
    );
  }
}

/** A line as a stream sends it. */
function eventOf(line: LoggedLine): string {
  return `data: ${JSON.stringify(line)}\r\n\r\n`;
}

function timeOf(text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : Date.parse(text);
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}
